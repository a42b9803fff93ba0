//! Where a server is taken from, without any server.

use std::net::{Ipv4Addr, TcpListener};

use super::{ServerKind, container::split, free_port, harness::without_password, kind::Source};

fn source(variables: &[(&str, &str)]) -> Source {
    ServerKind::Redis.source(environment(variables))
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
        (ServerKind::Dynamodb, "amazon/dynamodb-local"),
        (ServerKind::Redis, "redis"),
        (ServerKind::Scylla, "scylladb/scylla"),
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
    let lacks = |variables| ServerKind::Dynamodb.lacks(environment(variables));
    assert_eq!(lacks(&[("AWS_ACCESS_KEY_ID", "mine"), ("AWS_SECRET_ACCESS_KEY", "mine")]), []);
    assert_eq!(
        lacks(&[("AWS_ACCESS_KEY_ID", "mine"), ("AWS_SECRET_ACCESS_KEY", "")]),
        [("AWS_SECRET_ACCESS_KEY", "test")]
    );
    assert_eq!(ServerKind::Redis.lacks(environment(&[])), []);
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
    // Enough to come by all of them.
    for _ in 0..10_000 {
        assert_ne!(free_port(&addresses), taken);
    }
}
