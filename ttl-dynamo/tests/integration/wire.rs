//! The HTTP client of a store under trial: it keeps what is asked, and loses, refuses, delays or spoils it when told to.

use std::collections::VecDeque;
use std::fmt;
use std::io::ErrorKind;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use aws_sdk_dynamodb::config::http::{HttpRequest, HttpResponse};
use aws_sdk_dynamodb::config::{HttpClient, RuntimeComponents, SharedHttpClient};
use aws_sdk_dynamodb::error::ConnectorError;
use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::http::StatusCode;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::byte_stream::ByteStream;
use parking_lot::Mutex;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::{Value as Json, json};

use crate::foreign::FOREIGN;

/// What happens to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// No connection is made, so the server certainly never has it.
    NotConnected,
    /// The connection breaks before the server has it.
    LostRequest,
    /// The connection breaks when the server has done it.
    LostAnswer,
    /// The server refuses it with this error and status 400, and does not do it.
    Refused(&'static str),
    /// The server says that it broke, after having done it or not.
    Broken { done: bool },
    /// Something in between answers, by this number of [`FOREIGN`](crate::foreign::FOREIGN); the server has done it or not.
    Foreign { answer: usize, done: bool },
    /// One digit of the server's answer is another one.
    Damaged,
    /// No answer, ever; the server has done it or not.
    Silent { done: bool },
    /// No answer, ever; the server does it so much later.
    Late(Duration),
    /// The server does half of a batch and hands the other half back.
    Half,
    /// The server hands a whole batch back.
    NoneOfIt,
}

/// A request as it went out.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    /// `GetItem` and the like.
    pub(crate) operation: String,
    pub(crate) body: Json,
}

struct Rule {
    operation: &'static str,
    left: usize,
    fault: Option<Fault>,
}

type Step = Box<dyn FnOnce() -> Pin<Box<dyn Future<Output = ()> + Send>> + Send>;

#[derive(Default)]
struct State {
    seen: Vec<Request>,
    rules: VecDeque<Rule>,
    dice: Option<(StdRng, f64, Vec<Fault>)>,
    steps: Vec<(&'static str, Step)>,
    silent: usize,
}

/// The wire between one client and its server. Clones are the same wire.
#[derive(Clone)]
pub(crate) struct Wire {
    inner: SharedHttpClient,
    state: Arc<Mutex<State>>,
}

/// As the driver's own client has it: the server closes what is idle for longer, and a write may be on its way then.
const IDLE_AT_MOST: Duration = Duration::from_secs(20);

/// Stands for any operation.
pub(crate) const ANY: &str = "";

impl Wire {
    pub(crate) fn new() -> Self {
        Self {
            inner: aws_smithy_http_client::Builder::new().pool_idle_timeout(IDLE_AT_MOST).build_http(),
            state: Arc::default(),
        }
    }

    /// The next `count` requests of an operation meet this fault; rules apply in the order in which they were made.
    pub(crate) fn times(&self, count: usize, operation: &'static str, fault: Fault) {
        self.state.lock().rules.push_back(Rule { operation, left: count, fault: Some(fault) });
    }

    pub(crate) fn once(&self, operation: &'static str, fault: Fault) {
        self.times(1, operation, fault);
    }

    pub(crate) fn always(&self, operation: &'static str, fault: Fault) {
        self.times(usize::MAX, operation, fault);
    }

    /// The next request of an operation is let through.
    pub(crate) fn pass(&self, operation: &'static str) {
        self.state.lock().rules.push_back(Rule { operation, left: 1, fault: None });
    }

    /// Each request that no rule is for meets one of the faults, with this probability.
    pub(crate) fn random(&self, seed: u64, probability: f64, faults: &[Fault]) {
        self.state.lock().dice = Some((StdRng::seed_from_u64(seed), probability, faults.to_vec()));
    }

    /// Something that happens when the next request of an operation is about to go out, before its fate is decided.
    pub(crate) fn before<F: Future<Output = ()> + Send + 'static>(
        &self,
        operation: &'static str,
        step: impl FnOnce() -> F + Send + 'static,
    ) {
        self.state.lock().steps.push((operation, Box::new(|| Box::pin(step()))));
    }

    /// From now on all goes well.
    pub(crate) fn heal(&self) {
        let mut state = self.state.lock();
        state.rules.clear();
        state.steps.clear();
        state.dice = None;
    }

    /// Whether every rule and step with an end was used up.
    pub(crate) fn is_used_up(&self) -> bool {
        let state = self.state.lock();
        state.rules.iter().all(|rule| rule.left > usize::MAX / 2) && state.steps.is_empty()
    }

    /// How many requests ended in silence so far.
    pub(crate) fn silent(&self) -> usize {
        self.state.lock().silent
    }

    /// The requests since the last call.
    pub(crate) fn requests(&self) -> Vec<Request> {
        std::mem::take(&mut self.state.lock().seen)
    }

    /// The operations requested since the last call.
    pub(crate) fn operations(&self) -> Vec<String> {
        self.requests().into_iter().map(|request| request.operation).collect()
    }

    fn fate(&self, operation: &str) -> Option<Fault> {
        let mut state = self.state.lock();
        let is_for = |wanted: &str| wanted == ANY || wanted == operation;
        if let Some(at) = state.rules.iter().position(|rule| is_for(rule.operation)) {
            let rule = &mut state.rules[at];
            let fault = rule.fault;
            rule.left -= 1;
            if rule.left == 0 {
                state.rules.remove(at);
            }
            return fault;
        }
        let (dice, probability, faults) = state.dice.as_mut()?;
        dice.random_bool(*probability).then(|| faults[dice.random_range(0..faults.len())])
    }

    async fn carry(
        self,
        connector: SharedHttpConnector,
        mut http: HttpRequest,
    ) -> Result<HttpResponse, ConnectorError> {
        let request = Request::of(&http);
        let operation = request.operation.clone();
        let step = {
            let mut state = self.state.lock();
            state.seen.push(request.clone());
            let at = state.steps.iter().position(|(wanted, _)| *wanted == ANY || *wanted == operation);
            at.map(|at| state.steps.remove(at).1)
        };
        if let Some(step) = step {
            step().await;
        }
        let Some(fault) = self.fate(&operation) else { return connector.call(http).await };
        match fault {
            Fault::NotConnected => Err(broken(ErrorKind::ConnectionRefused)),
            Fault::LostRequest => Err(broken(ErrorKind::ConnectionReset)),
            Fault::Refused(code) => Ok(refusal(400, code)),
            Fault::LostAnswer | Fault::Broken { done: true } => {
                // To the end, even if whoever waits gives up.
                tokio::spawn(finish(connector, http)).await.expect("a request that ends")?;
                match fault {
                    Fault::LostAnswer => Err(broken(ErrorKind::ConnectionReset)),
                    _ => Ok(refusal(500, "InternalServerError")),
                }
            }
            Fault::Broken { done: false } => Ok(refusal(500, "InternalServerError")),
            Fault::Foreign { answer, done } => {
                if done {
                    tokio::spawn(finish(connector, http)).await.expect("a request that ends")?;
                }
                Ok(FOREIGN[answer].response())
            }
            Fault::Damaged => {
                let whole = connector.call(http).await?;
                let crc = whole.headers().get("x-amz-crc32").expect("a checksum").to_owned();
                let text = String::from_utf8(body(whole).await).expect("a text");
                let damaged = text.replacen(r#""N":"1"#, r#""N":"2"#, 1);
                assert_ne!(text, damaged, "nothing to damage");
                let mut damaged = answer(200, damaged.into_bytes());
                damaged.headers_mut().insert("x-amz-crc32", crc);
                Ok(damaged)
            }
            Fault::Silent { done } => {
                if done {
                    tokio::spawn(finish(connector, http)).await.expect("a request that ends")?;
                }
                self.state.lock().silent += 1;
                std::future::pending().await
            }
            Fault::Late(delay) => {
                tokio::spawn(async move {
                    tokio::time::sleep(delay).await;
                    finish(connector, http).await
                });
                std::future::pending().await
            }
            Fault::NoneOfIt => {
                let said = json!({ "Responses": {}, "UnprocessedKeys": request.body["RequestItems"] });
                Ok(answer(200, said.to_string().into_bytes()))
            }
            Fault::Half => {
                let (now, later) = halves(request.body);
                let body = serde_json::to_vec(&now).expect("JSON");
                http.headers_mut().insert("content-length", body.len().to_string());
                *http.body_mut() = SdkBody::from(body);
                handed_back(connector.call(http).await?, &later).await
            }
        }
    }
}

impl Request {
    fn of(http: &HttpRequest) -> Self {
        let target = http.headers().get("x-amz-target").expect("the header that names the operation");
        let operation = target.rsplit('.').next().expect("an operation").to_owned();
        let body = http.body().bytes().expect("a body in memory");
        Self { operation, body: serde_json::from_slice(body).expect("a body of JSON") }
    }
}

async fn finish(connector: SharedHttpConnector, http: HttpRequest) -> Result<(), ConnectorError> {
    let answer = connector.call(http).await?;
    let _ = body(answer).await;
    Ok(())
}

async fn body(answer: HttpResponse) -> Vec<u8> {
    ByteStream::new(answer.into_body()).collect().await.expect("a whole answer").to_vec()
}

fn broken(kind: ErrorKind) -> ConnectorError {
    ConnectorError::io(std::io::Error::from(kind).into())
}

/// An error as the service writes it.
fn refusal(status: u16, code: &str) -> HttpResponse {
    let space = match code {
        "ThrottlingException" | "AccessDeniedException" | "ExpiredTokenException" => {
            "com.amazon.coral.service"
        }
        "UnrecognizedClientException" => "com.amazon.coral.service",
        _ => "com.amazonaws.dynamodb.v20120810",
    };
    let text = json!({ "__type": format!("{space}#{code}"), "message": "said the wire" }).to_string();
    answer(status, text.into_bytes())
}

fn answer(status: u16, body: Vec<u8>) -> HttpResponse {
    let mut answer = HttpResponse::new(StatusCode::try_from(status).expect("a status"), SdkBody::from(body));
    answer.headers_mut().insert("content-type", "application/x-amz-json-1.0");
    answer
}

/// A batch of reads cut in two; the first half is never empty.
fn halves(mut body: Json) -> (Json, Json) {
    let mut later = json!({});
    let tables = body["RequestItems"].as_object_mut().expect("a batch of reads");
    for (table, ask) in tables {
        let keys = ask["Keys"].as_array_mut().expect("keys");
        let rest = keys.split_off(keys.len().div_ceil(2));
        if !rest.is_empty() {
            later[table] = ask.clone();
            later[table]["Keys"] = rest.into();
        }
    }
    (body, later)
}

async fn handed_back(whole: HttpResponse, later: &Json) -> Result<HttpResponse, ConnectorError> {
    let status = whole.status().as_u16();
    let mut said: Json = serde_json::from_slice(&body(whole).await).expect("an answer of JSON");
    if status == 200 {
        said["UnprocessedKeys"] = later.clone();
    }
    Ok(answer(status, serde_json::to_vec(&said).expect("JSON")))
}

impl fmt::Debug for Wire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Wire")
    }
}

impl HttpClient for Wire {
    fn http_connector(
        &self,
        settings: &HttpConnectorSettings,
        components: &RuntimeComponents,
    ) -> SharedHttpConnector {
        let connector = self.inner.http_connector(settings, components);
        SharedHttpConnector::new(OnWire { wire: self.clone(), connector })
    }
}

#[derive(Debug)]
struct OnWire {
    wire: Wire,
    connector: SharedHttpConnector,
}

impl HttpConnector for OnWire {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        HttpConnectorFuture::new(self.wire.clone().carry(self.connector.clone(), request))
    }
}
