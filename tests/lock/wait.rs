//! Servers that want to be left alone are, for a while; others are asked again.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use reqwest::StatusCode;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};

use super::server::serve;
use super::shell::fetch::cache::now;
use super::shell::fetch::client::Ask;
use super::shell::fetch::wait::{PATIENCE, Turns, limit, pause, words};
use super::shell::fetch::{Client, Event, FetchError, Freshness};

fn headers(list: &[(&str, &str)]) -> HeaderMap {
    let header = |(name, value): &(&str, &str)| (HeaderName::from_bytes(name.as_bytes()).unwrap(), HeaderValue::from_str(value).unwrap());
    list.iter().map(header).collect()
}

#[test]
fn what_a_server_says_of_waiting_is_understood() {
    // 2026-11-24 12:00:00, and what the server's clock shows.
    const NOW: u64 = 1_795_521_600;
    let date = ("date", "Tue, 24 Nov 2026 13:00:00 GMT");
    let told = |status: u16, list: &[(&str, &str)]| limit(StatusCode::from_u16(status).unwrap(), &headers(list), NOW);
    assert_eq!(told(429, &[("retry-after", "17")]), Some(Some(17)));
    assert_eq!(told(503, &[("retry-after", " 0 ")]), Some(Some(0)));
    assert_eq!(told(403, &[("retry-after", "60")]), Some(Some(60)), "GitHub's second limit");
    assert_eq!(told(429, &[("retry-after", "Tue, 24 Nov 2026 12:00:30 GMT")]), Some(Some(30)));
    assert_eq!(told(503, &[("retry-after", "Tue, 24 Nov 2026 13:00:30 GMT"), date]), Some(Some(30)), "by its own clock");
    assert_eq!(told(503, &[("retry-after", "Tue, 24 Nov 2026 11:00:00 GMT")]), Some(Some(0)), "that is over");
    let reset = (NOW + 1700).to_string();
    assert_eq!(told(403, &[("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", &reset)]), Some(Some(1700)));
    assert_eq!(told(429, &[("x-ratelimit-remaining", "0")]), Some(None));
    for (status, list) in [
        (429, &[][..]),
        (429, &[("retry-after", "soon")]),
        (403, &[("x-ratelimit-remaining", "7"), ("x-ratelimit-reset", "1")]),
        (403, &[]),
        (503, &[("x-ratelimit-remaining", "0")]),
        (200, &[("retry-after", "17")]),
        (404, &[("retry-after", "17")]),
    ] {
        assert_eq!(told(status, list), None, "{status} {list:?}");
    }
    assert_eq!(words(Some(1), NOW), "for 1 second");
    assert_eq!(words(Some(1700), NOW), "for 29 minutes, until 2026-11-24 12:28 UTC");
}

#[test]
fn pauses_grow_and_are_not_the_same_for_all() {
    let range = |attempts| Some((pause(attempts, 0.0)?, pause(attempts, 1.0)?));
    let milliseconds = |a, b| Some((Duration::from_millis(a), Duration::from_millis(b)));
    assert_eq!([range(1), range(2), range(3), range(4)], [milliseconds(150, 450), milliseconds(450, 1350), milliseconds(1350, 4050), None]);
}

#[test]
fn patience_is_a_minute_for_a_server_however_many_wait() {
    let (turns, start) = (Turns::default(), Instant::now());
    let at = |seconds| start + Duration::from_secs(seconds);
    let book = |server, wait, now| turns.book(server, Duration::from_secs(wait), at(now)).map(|wait| wait.as_secs());
    assert_eq!(book("a", 61, 0), None);
    assert_eq!(book("a", 40, 0), Some(40));
    // Those who come meanwhile wait along, whatever they were told.
    assert_eq!((book("a", 40, 0), book("a", 5, 10), turns.ahead("a", at(30))), (Some(40), Some(30), Some(Duration::from_secs(10))));
    assert_eq!((turns.ahead("a", at(40)), turns.ahead("b", at(0))), (None, None));
    // Another server has its own.
    assert_eq!(book("b", 60, 10), Some(60));
    assert_eq!((book("a", 21, 50), book("a", 20, 50)), (None, Some(20)));
    assert_eq!(book("a", 1, 70), None, "a minute is over");
    // What always says `0` does not get away with it.
    let booked = (0..100).filter(|second| book("c", 0, *second).is_some()).count();
    assert_eq!(booked as u64, PATIENCE.as_secs());
}

#[tokio::test]
async fn a_server_that_wants_to_be_left_alone_is_waited_for() {
    let at = |seconds: u64| silo::lock::time::Time(now() + seconds);
    // The date that a server would write in two seconds.
    let later = at(2);
    let (day, clock) = (later.day(), later.to_string());
    let mut parts = day.split('-');
    let (year, month, day) = (parts.next().unwrap(), parts.next().unwrap().parse::<usize>().unwrap(), parts.next().unwrap());
    let month = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"][month - 1];
    let date: &'static str = Box::leak(format!("Retry-After: Sun, {day} {month} {year} {} GMT", &clock[11..19]).into_boxed_str());
    let reset: &'static str = Box::leak(format!("X-RateLimit-Remaining: 0\r\nX-RateLimit-Reset: {}", now() + 2).into_boxed_str());
    for (status, header) in [(429, "Retry-After: 1"), (503, date), (403, reset)] {
        let answers = vec![(status, header, Vec::new()), (200, "", b"text".to_vec())];
        let server = serve(BTreeMap::from([("/a", answers.clone()), ("/b", answers.clone()), ("/c", answers)])).await;
        let said = Mutex::new(Vec::new());
        let tell = |event: Event| said.lock().unwrap().push(event);
        let client = Client::new(None, Freshness::Asked).unwrap().telling(&tell);
        let start = Instant::now();
        let (address, ask) = (&server.address, Ask::default());
        let urls = ["a", "b", "c"].map(|path| format!("{address}/{path}"));
        let got = futures_util::future::join_all(urls.iter().map(|url| client.get(url, &ask))).await;
        assert!(got.iter().all(|got| got.as_ref().unwrap() == b"text"), "{header}: {got:?}");
        let took = start.elapsed();
        assert!(
            took > Duration::from_millis(900) && took < Duration::from_secs(6),
            "{header}: they wait together, not one after the other: {took:?}"
        );
        assert_eq!(server.asked.lock().unwrap().len(), 6);
        let said = said.lock().unwrap();
        let is_wait = |event: &Event| matches!(event, Event::Waiting { server, seconds: 1..=3 } if server == address);
        assert!(!said.is_empty() && said.iter().all(is_wait), "{said:?}");
    }
}

#[tokio::test]
async fn a_server_that_asks_for_more_than_a_minute_is_an_error_at_once() {
    let long = "Retry-After: 61";
    let server = serve(BTreeMap::from([("/a", vec![(503, long, Vec::new())]), ("/b", vec![(429, "", Vec::new())])])).await;
    let client = Client::new(None, Freshness::Asked).unwrap();
    let start = Instant::now();
    let error = client.get(&format!("{}/a", server.address), &Ask::default()).await.unwrap_err();
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
    assert!(error.to_string().ends_with("it allows no more requests for 61 seconds"), "{error}");
    assert_eq!(server.count("/a"), 1);
    // Who says nothing of waiting is asked again a few times.
    let error = client.get(&format!("{}/b", server.address), &Ask::default()).await.unwrap_err();
    assert!(matches!(error, FetchError::Status { .. }) && server.count("/b") == 4, "{error:?} {}", server.count("/b"));
}
