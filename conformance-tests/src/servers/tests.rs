//! Where a server is taken from, without any server.

use super::{ServerKind, container::split, harness::without_password, kind::Source};

fn source(variables: &[(&str, &str)]) -> Source {
    ServerKind::Redis.source(|name| {
        variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
    })
}

#[test]
fn a_url_comes_before_an_image() {
    let variables = [("TTL_TEST_REDIS_URL", "redis://here:1"), ("TTL_TEST_REDIS_IMAGE", "mine:1")];
    assert_eq!(source(&variables), Source::Url("redis://here:1".to_owned()));
    assert_eq!(source(&variables[1..]), Source::Image("mine:1".to_owned()));
}

#[test]
fn the_pinned_image_names_a_full_version() {
    let empty = [("TTL_TEST_REDIS_URL", ""), ("TTL_TEST_REDIS_IMAGE", "")];
    let Source::Image(image) = source(&empty) else { panic!("an empty variable counts as not set") };
    let (name, tag) = split(&image);
    assert_eq!(name, "redis");
    assert_eq!(tag.split('.').filter(|part| part.parse::<u32>().is_ok()).count(), 3, "{tag}");
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
