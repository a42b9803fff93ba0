//! Tests of the source of a server, without any server.

use std::net::{Ipv4Addr, TcpListener};

use super::{ServerKind, container::split, free_port, harness::without_password, kind::Source};

fn source(variables: &[(&str, &str)]) -> Source {
    ServerKind::REDIS.source(environment(variables))
}

fn environment(variables: &[(&str, &str)]) -> impl Fn(&str) -> Option<String> {
    |name| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
}

#[test]
fn a_url_comes_before_an_image() {
    let variables = [("TTL_TEST_REDIS_URL", "redis://here:1"), ("TTL_TEST_REDIS_IMAGE", "mine:1")];
    assert_eq!(source(&variables), Source::Url("redis://here:1".to_owned()));
    assert_eq!(source(&variables[1..]), Source::Image("mine:1".to_owned()));
}

#[test]
fn the_pinned_images_name_a_full_version() {
    for (kind, expected) in [
        (ServerKind::DYNAMODB, "amazon/dynamodb-local"),
        (ServerKind::REDIS, "redis"),
        (ServerKind::SCYLLA, "scylladb/scylla"),
    ] {
        let (url, image) = (kind.url_variable(), kind.image_variable());
        let Source::Image(image) = kind.source(environment(&[(&url, ""), (&image, "")])) else {
            panic!("an empty variable counts as not set")
        };
        let (name, tag) = split(&image);
        assert_eq!(name, expected);
        assert_eq!(tag.split('.').filter(|part| part.parse::<u32>().is_ok()).count(), 3, "{tag}");
    }
}

#[test]
fn what_is_set_in_the_environment_stays() {
    let lacks = |variables| ServerKind::DYNAMODB.lacks(environment(variables));
    assert_eq!(lacks(&[("AWS_ACCESS_KEY_ID", "mine"), ("AWS_SECRET_ACCESS_KEY", "mine")]), []);
    assert_eq!(
        lacks(&[("AWS_ACCESS_KEY_ID", "mine"), ("AWS_SECRET_ACCESS_KEY", "")]),
        [("AWS_SECRET_ACCESS_KEY", "test")]
    );
    assert_eq!(ServerKind::REDIS.lacks(environment(&[])), []);
}

/// A kind as a driver outside of this workspace defines it.
const OWN: ServerKind = ServerKind::new("Own Server", "OWN_2", " own/server:1.2.3\n")
    .with_command(&["serve"])
    .with_port(7)
    .with_ready("ready")
    .with_question(b"?")
    .with_url(|address| format!("own://{address}/x"))
    .with_environment(&[("OWN_KEY", "test")]);

#[test]
fn a_kind_of_somebody_elses_is_used_like_the_own_ones() {
    assert_eq!(OWN.source(environment(&[])), Source::Image("own/server:1.2.3".to_owned()));
    assert_eq!(OWN.source(environment(&[("TTL_TEST_OWN_2_IMAGE", "x:1")])), Source::Image("x:1".to_owned()));
    assert_eq!(
        OWN.source(environment(&[("TTL_TEST_OWN_2_URL", "own://here")])),
        Source::Url("own://here".to_owned())
    );
    assert_eq!(OWN.lacks(environment(&[])), [("OWN_KEY", "test")]);
    assert_eq!(
        (OWN.command, OWN.port, OWN.ready, OWN.question),
        (&["serve"][..], 7, Some("ready"), &b"?"[..])
    );
    assert_eq!((OWN.url)("host:1"), "own://host:1/x");
    assert_eq!(OWN.to_string(), "Own Server");
}

#[test]
fn kinds_are_told_apart_by_their_variables() {
    assert_eq!(OWN, ServerKind::new("Another name", "OWN_2", "another/image:1.2.3"));
    assert_ne!(OWN, ServerKind::REDIS);
}

#[test]
fn a_plain_kind_asks_nothing_and_its_url_is_the_address() {
    let plain = ServerKind::new("Plain", "PLAIN", "plain:1.2.3");
    assert_eq!((plain.command.len(), plain.ready, plain.question.len()), (0, None, 0));
    assert_eq!((plain.url)("host:1"), "host:1");
    assert_eq!(plain.lacks(environment(&[])), []);
}

#[test]
fn a_kind_whose_variable_no_shell_takes_is_refused() {
    for variable in ["", "own", "OWN-2", "OWN 2", "ÖWN"] {
        let made = std::panic::catch_unwind(|| ServerKind::new("Own", variable, "own:1.2.3"));
        assert!(made.is_err(), "{variable:?}");
    }
}

#[test]
fn a_registrys_port_is_no_tag() {
    assert_eq!(split("host:5000/redis"), ("host:5000/redis", "latest"));
    assert_eq!(split("host:5000/redis:7"), ("host:5000/redis", "7"));
}

#[test]
fn a_printed_url_holds_no_password() {
    assert_eq!(without_password("redis://me:p@ss@host:1/0"), "redis://...@host:1/0");
    assert_eq!(without_password("redis://host:1"), "redis://host:1");
}

#[test]
fn a_free_port_is_free_on_every_address() {
    let addresses = [Ipv4Addr::LOCALHOST, Ipv4Addr::new(127, 0, 0, 2)];
    let taken = free_port(&addresses);
    let _server = TcpListener::bind((addresses[1], taken)).unwrap();
    // Enough to try all of them.
    for _ in 0..10_000 {
        assert_ne!(free_port(&addresses), taken);
    }
}
