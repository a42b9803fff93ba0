//! Gaps: what a stream may have missed in an outage is reported as a gap, during the outage and at its end.

use std::sync::OnceLock;
use std::time::{Duration, Instant};

use futures_util::future::try_join;
use ttl_core::Value;
use ttl_core::options::PutOptions;

use super::reports::Reports;
use crate::test::{LONG, applied, key};
use crate::{Check, Fault, Test, case_table};

/// The number of gaps that must be reported in one outage.
const GAPS: usize = 3;

/// The number of outages of a case.
const ROUNDS: usize = 3;

case_table! {
    /// N2: The loss of a connection is reported as a gap, before the server can be reached again.
    a_lost_connection_is_a_gap: needs(changes, network) = |t| gap_in(t, Fault::Refuse),
    /// N2: A report that is lost together with its connection is a gap.
    a_lost_report_is_a_gap: needs(changes, network),
    /// N2: A server that is silent is reported as a gap, while the connection stays open.
    a_silent_server_is_a_gap: needs(changes, network) = |t| gap_in(t, Fault::Stall),
    /// N2: A server whose answers do not arrive is reported as a gap, while the connection stays open.
    a_server_without_answers_is_a_gap: needs(changes, network) = |t| gap_in(t, Fault::StallAnswers),
    /// N2: Gaps are repeated for as long as the server refuses connections, and while it is silent.
    gaps_are_repeated_during_an_outage: needs(changes, network),
    /// N2: A copy that is read again at each report is right after an outage, although the entry changed until
    /// its end.
    the_end_of_an_outage_is_a_gap: needs(changes, network),
    /// N2, N3: After each outage, the same stream reports changes again.
    changes_are_reported_after_an_outage: needs(changes, network),
}

/// Subscribes, and waits until a report arrives over the connection.
async fn working(t: &Test) -> Check<Reports> {
    let mut reports = Reports::of(t, &*t.store).await?;
    reports.work_again(t, &key("before"), "before the outage").await?;
    Ok(reports)
}

async fn gap_in(t: Test, fault: Fault) -> Check {
    let mut reports = working(&t).await?;
    t.proxy()?.set(fault);
    reports.gap(&format!("{fault:?}")).await
}

async fn a_lost_report_is_a_gap(t: Test) -> Check {
    let mut reports = working(&t).await?;
    t.proxy()?.set(Fault::LoseAnswer { after: 0 });
    applied(t.second.put(&key("k"), "v".into(), PutOptions::new(LONG)).await?)?;
    reports.gap("the lost report of a put").await
}

async fn gaps_are_repeated_during_an_outage(t: Test) -> Check {
    let mut reports = working(&t).await?;
    for fault in [Fault::Refuse, Fault::Stall] {
        t.proxy()?.set(fault);
        for number in 0..GAPS {
            reports.gap(&format!("gap {number} of {fault:?}")).await?;
        }
    }
    Ok(())
}

async fn the_end_of_an_outage_is_a_gap(t: Test) -> Check {
    /// Longer than an attempt to connect.
    const OUTAGE: Duration = Duration::from_millis(1500);
    let (proxy, key) = (t.proxy()?, key("k"));
    let mut reports = working(&t).await?;
    for round in 0..ROUNDS {
        let last = OnceLock::new();
        proxy.set(Fault::Refuse);
        reports.gap("the outage").await?;
        let write = async {
            let since = Instant::now();
            let mut number = 0_u64;
            while since.elapsed() < OUTAGE {
                number += 1;
                let value = Value::from(format!("{round}-{number}"));
                applied(t.second.put(&key, value, PutOptions::new(LONG)).await?)?;
                tokio::task::yield_now().await;
            }
            // The last change is made just before the end of the outage.
            let value = Value::from(format!("{round}-last"));
            applied(t.second.put(&key, value.clone(), PutOptions::new(LONG)).await?)?;
            proxy.heal();
            let _ = last.set(value);
            Ok(())
        };
        let copy = reports.copy(&*t.second, &key, &last, "the last change in the outage");
        try_join(write, copy).await?;
    }
    Ok(())
}

async fn changes_are_reported_after_an_outage(t: Test) -> Check {
    let mut reports = working(&t).await?;
    for round in 0..ROUNDS {
        for fault in [Fault::Refuse, Fault::LoseAnswer { after: 0 }, Fault::Stall, Fault::StallAnswers] {
            let name = key(&format!("{fault:?}-{round}"));
            t.proxy()?.set(fault);
            applied(t.second.put(&name, "unseen".into(), PutOptions::new(LONG)).await?)?;
            reports.gap(&format!("{fault:?}")).await?;
            t.proxy()?.heal();
            reports.work_again(&t, &name, &format!("after {fault:?}")).await?;
        }
    }
    Ok(())
}
