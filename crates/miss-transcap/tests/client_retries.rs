//! What the client does with a server in trouble: which requests come again, when, and how many at a time.
#![allow(clippy::unwrap_used)]

mod scripted;

use std::time::{Duration, Instant, SystemTime};

use miss_transcap::llm::{Answer, Client, Failure, Limits};
use scripted::http::{reply, reply_of_length};
use scripted::{Reply, Scripted, Seen, chat, error, ok, quick, request};
use serde_json::json;

/// What comes of one request where the first gets `first` and later ones a good answer, and how often it was asked.
async fn after(
    first: impl Fn() -> Reply + Send + Sync + 'static,
    limits: &Limits,
) -> (Result<Answer, Failure>, Vec<Seen>) {
    let server = Scripted::start(move |number, _| match number {
        0 => first(),
        _ => Reply::Now(ok()),
    })
    .await;
    let outcome = server.client(limits).send(&request(1)).await;
    (outcome, server.seen())
}

/// Time from the first request to the second.
fn gap(seen: &[Seen]) -> Duration {
    seen[1].arrived - seen[0].arrived
}

#[tokio::test]
async fn trouble_that_passes_is_sat_out() {
    for status in [408, 409, 425, 429, 500, 502, 503, 504, 529] {
        let bytes = error(status, &[("Retry-After", "0")]);
        let (outcome, seen) = after(move || Reply::Now(bytes.clone()), &quick()).await;
        assert!(outcome.is_ok(), "{status}");
        assert_eq!(seen.len(), 2, "{status}");
    }
}

#[tokio::test]
async fn trouble_that_lasts_ends_after_the_attempts() {
    let server = Scripted::start(|_, _| Reply::Now(error(503, &[]))).await;
    for attempts in [1, 4] {
        let before = server.count();
        let client = server.client(&Limits {
            attempts,
            ..quick()
        });
        let failure = client.send(&request(1)).await.unwrap_err();
        let expected = Failure::Status {
            status: 503,
            message: "as told".into(),
        };
        assert_eq!(failure, expected);
        assert_eq!(server.count() - before, attempts as usize);
    }
}

#[tokio::test]
async fn requests_that_are_wrong_are_not_sent_again() {
    for status in [400, 401, 403, 404, 405, 410, 413, 415, 422, 451, 501] {
        let bytes = error(status, &[("Retry-After", "0")]);
        let (outcome, seen) = after(move || Reply::Now(bytes.clone()), &quick()).await;
        let failure = outcome.unwrap_err();
        assert!(matches!(failure, Failure::Status { status: told, .. } if told == status));
        assert_eq!(seen.len(), 1, "{status}");
        let all = matches!(status, 401..=404);
        assert_eq!(failure.meets_all(), all, "{status}");
    }
}

#[tokio::test]
async fn an_account_without_money_is_no_limit_of_rate() {
    let quota = json!({ "message": "You exceeded your quota.", "type": "insufficient_quota", "code": "insufficient_quota" });
    let typed = json!({ "message": "Over.", "type": "insufficient_quota", "code": 429 });
    for (status, body) in [
        (429, json!({ "error": quota })),
        (429, json!({ "error": typed })),
        (403, json!({ "error": quota })),
        (200, json!({ "error": quota })),
        (200, json!({ "error": typed })),
        (200, json!({ "choices": [{ "error": quota }] })),
        (402, json!({ "error": "pay" })),
        (200, json!({ "error": {"code": 402, "message": "pay"} })),
    ] {
        let bytes = reply(status, &[("Retry-After", "0")], body.to_string().as_bytes());
        let (outcome, seen) = after(move || Reply::Now(bytes.clone()), &quick()).await;
        let failure = outcome.unwrap_err();
        assert!(matches!(failure, Failure::Quota(_)), "{body}: {failure}");
        assert!(failure.meets_all());
        assert_eq!(seen.len(), 1, "{body}");
    }
}

#[tokio::test]
async fn an_error_in_a_200_is_an_error() {
    for (error, retried) in [
        (json!({ "code": 502, "message": "upstream" }), true),
        (json!({ "code": 429, "message": "slowly" }), true),
        (json!({ "code": "503", "message": "busy" }), true),
        (json!({ "message": "something" }), true),
        (json!("something"), true),
        (
            json!({ "code": 400, "message": "context too long", "type": "invalid_request_error" }),
            false,
        ),
        (json!({ "code": "401", "message": "who?" }), false),
    ] {
        let mut inside = chat();
        inside["choices"][0]["error"] = error.clone();
        for body in [json!({ "error": error }), inside] {
            let bytes = reply(200, &[("Retry-After", "0")], body.to_string().as_bytes());
            let (outcome, seen) = after(move || Reply::Now(bytes.clone()), &quick()).await;
            assert_eq!(outcome.is_ok(), retried, "{body}");
            assert_eq!(seen.len(), 1 + usize::from(retried), "{body}");
        }
    }
}

#[tokio::test]
async fn bodies_that_are_no_response_are_asked_for_again() {
    let html = format!(
        "<html><h1>Bad gateway</h1>{}</html>",
        "<p>x</p>".repeat(1_000)
    );
    let whole = chat().to_string();
    for body in [
        html.as_str(),
        "",
        "null",
        "[]",
        "{}",
        "\"x\"",
        &whole[..whole.len() / 2],
        "{\"choices\": {}}",
    ] {
        for status in [200, 502] {
            let bytes = reply(status, &[("Content-Type", "text/html")], body.as_bytes());
            let (outcome, seen) = after(move || Reply::Now(bytes.clone()), &quick()).await;
            assert!(outcome.is_ok());
            assert_eq!(seen.len(), 2, "{status} {body}");
        }
    }
    // What is told of it is short and one line.
    let server = Scripted::start(move |_, _| Reply::Now(reply(200, &[], html.as_bytes()))).await;
    let failure = server.client(&quick()).send(&request(1)).await.unwrap_err();
    assert!(matches!(failure, Failure::Transport(_)));
    let told = failure.to_string();
    assert!(told.contains("Bad gateway") && told.len() < 400 && !told.contains('\n'));
}

#[tokio::test]
async fn connections_that_break_are_made_again() {
    fn half() -> Vec<u8> {
        let whole = ok();
        whole[..whole.len() - 40].to_vec()
    }
    fn chunked(end: &str) -> Vec<u8> {
        let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
        format!("{head}5\r\n{{\"cho\r\n{end}").into_bytes()
    }
    let breaks: [fn() -> Reply; 9] = [
        || Reply::Close(Vec::new()),
        || Reply::Reset(Vec::new()),
        || Reply::Close(half()),
        || Reply::Reset(half()),
        || Reply::Close(b"HTTP/1.1 200".to_vec()),
        || Reply::Close(b"SSH-2.0-OpenSSH_9.7\r\n\r\n".to_vec()),
        // The length says more than comes.
        || {
            Reply::Close(reply_of_length(
                200,
                &[],
                chat().to_string().as_bytes(),
                10_000,
            ))
        },
        || Reply::Close(chunked("")),
        || Reply::Close(chunked("zz\r\n")),
    ];
    for (number, first) in breaks.into_iter().enumerate() {
        let (outcome, seen) = after(first, &quick()).await;
        assert!(outcome.is_ok(), "{number}: {outcome:?}");
        assert_eq!(seen.len(), 2, "{number}");
    }
}

#[tokio::test]
async fn a_server_that_is_not_there_is_tried_as_often_as_allowed() {
    let gone = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}/v1", gone.local_addr().unwrap());
    drop(gone);
    let client = Client::new(&scripted::endpoint(&base), &quick()).unwrap();
    let failure = client.send(&request(1)).await.unwrap_err();
    assert!(matches!(failure, Failure::Transport(_)), "{failure}");
    assert!(!failure.meets_all());
}

#[tokio::test]
async fn silence_and_slow_drips_end() {
    // A byte every 0.1 s keeps the read timeout from ending it; whole it would take half a minute.
    let drip = || Reply::Drip(Duration::from_millis(100), ok());
    let silence = || Reply::After(Duration::from_secs(30), ok());
    // A head, and nothing for a long time.
    let stall = || {
        let piece = b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n".to_vec();
        Reply::Stall(piece)
    };
    let whole = Limits {
        timeout_seconds: 1,
        ..quick()
    };
    let read = Limits {
        read_timeout_seconds: 1,
        timeout_seconds: 20,
        ..quick()
    };
    let (a, b, c) = tokio::join!(
        after(drip, &whole),
        after(silence, &whole),
        after(stall, &read)
    );
    for (outcome, seen) in [a, b, c] {
        assert!(outcome.is_ok());
        assert_eq!(seen.len(), 2);
        let gap = gap(&seen);
        assert!(
            gap >= Duration::from_millis(990) && gap < Duration::from_secs(10),
            "{gap:?}"
        );
    }
    // An answer is written before its head is sent: that is no silence.
    let late = || Reply::After(Duration::from_secs(2), ok());
    let (outcome, seen) = after(late, &read).await;
    assert!(outcome.is_ok());
    assert_eq!(seen.len(), 1);
    // Slow, but within the time of an attempt, and never silent for long: an answer.
    let slow = || Reply::Drip(Duration::from_millis(4), ok());
    let (outcome, seen) = after(
        slow,
        &Limits {
            read_timeout_seconds: 1,
            ..quick()
        },
    )
    .await;
    assert!(outcome.is_ok());
    assert_eq!(seen.len(), 1);
}

#[tokio::test]
async fn bodies_too_large_are_not_read() {
    let endless = || {
        let head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
        let piece = format!("10000\r\n{}\r\n", " ".repeat(65_536));
        Reply::Endless(head, piece.into_bytes())
    };
    let announced = || {
        let head = reply_of_length(200, &[], b"{", usize::MAX / 4);
        Reply::Endless(head, b" ".repeat(65_536))
    };
    let padded = |bytes: usize| {
        let body = format!("{}{}", " ".repeat(bytes), chat());
        move || Reply::Now(reply(200, &[], body.as_bytes()))
    };
    assert_eq!(after(endless, &quick()).await.1.len(), 2);
    assert_eq!(after(announced, &quick()).await.1.len(), 2);
    assert_eq!(after(padded(5 << 20), &quick()).await.1.len(), 2);
    assert_eq!(after(padded(3 << 20), &quick()).await.1.len(), 1);
    let server = Scripted::start(move |_, _| endless()).await;
    let failure = server.client(&quick()).send(&request(1)).await.unwrap_err();
    assert!(
        failure.to_string().contains("larger than 4194304 bytes"),
        "{failure}"
    );
}

#[tokio::test]
async fn the_server_is_given_the_time_it_asks_for() {
    let date = |seconds| httpdate_of(SystemTime::now() + Duration::from_secs(seconds));
    // A date has whole seconds, so up to one less is left of it when it comes.
    for (name, value, least, most) in [
        ("Retry-After", "1".to_owned(), 1_000, 10_000),
        ("Retry-After", "date 2".into(), 900, 10_000),
        ("Retry-After", "date 0".into(), 0, 10_000),
        ("retry-after-ms", "700".into(), 700, 10_000),
        // No more than the longest pause, and nothing absurd.
        ("Retry-After", "86400".into(), 2_000, 20_000),
        ("Retry-After", "-5".into(), 0, 10_000),
        ("Retry-After", "tomorrow".into(), 0, 10_000),
    ] {
        for status in [429, 503] {
            let limits = Limits {
                longest_pause_seconds: 2,
                ..quick()
            };
            let sent = match value.strip_prefix("date ") {
                Some(seconds) => date(seconds.parse().unwrap()),
                None => value.clone(),
            };
            let bytes = error(status, &[(name, &sent)]);
            let (outcome, seen) = after(move || Reply::Now(bytes.clone()), &limits).await;
            assert!(outcome.is_ok());
            let gap = gap(&seen).as_millis();
            assert!((least..most).contains(&gap), "{status} {value}: {gap} ms");
        }
    }
}

/// RFC 9110's date, by the days of the civil calendar (independent of the parser in use).
fn httpdate_of(time: SystemTime) -> String {
    let seconds = time
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap()
        .as_secs();
    let (mut days, second) = (seconds / 86_400, seconds % 86_400);
    let week = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"][(days % 7) as usize];
    let mut year = 1970;
    let leap = |year: u64| {
        year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
    };
    while days >= 365 + u64::from(leap(year)) {
        days -= 365 + u64::from(leap(year));
        year += 1;
    }
    let months = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split(' ');
    let lengths = [
        31,
        28 + u64::from(leap(year)),
        31,
        30,
        31,
        30,
        31,
        31,
        30,
        31,
        30,
        31,
    ];
    for (month, length) in months.zip(lengths) {
        if days < length {
            let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
            let day = days + 1;
            return format!(
                "{week}, {day:02} {month} {year} {hour:02}:{minute:02}:{second:02} GMT"
            );
        }
        days -= length;
    }
    unreachable!("a year has twelve months")
}

#[tokio::test]
async fn a_429_holds_all_requests() {
    let server = Scripted::start(|number, _| match number {
        0 => Reply::Now(error(429, &[("retry-after-ms", "1500")])),
        _ => Reply::Now(ok()),
    })
    .await;
    let client = server.client(&quick());
    let first = tokio::spawn({
        let client = client.clone();
        async move { client.send(&request(0)).await }
    });
    while server.count() == 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    // The client has read the reply by now.
    tokio::time::sleep(Duration::from_millis(100)).await;
    let others = (1..10).map(|number| {
        let client = client.clone();
        tokio::spawn(async move { client.send(&request(number)).await })
    });
    for other in others.collect::<Vec<_>>() {
        other.await.unwrap().unwrap();
    }
    first.await.unwrap().unwrap();
    let seen = server.seen();
    assert_eq!(seen.len(), 11);
    for later in &seen[1..] {
        let held = later.arrived - seen[0].arrived;
        assert!(held >= Duration::from_millis(1_490), "{held:?}");
    }
    // Another client is not held: what it asks is its own affair.
    let server = Scripted::start(|number, _| match number {
        0 => Reply::Now(error(429, &[("Retry-After", "30")])),
        _ => Reply::Now(ok()),
    })
    .await;
    let once = Limits {
        attempts: 1,
        ..quick()
    };
    server.client(&once).send(&request(1)).await.unwrap_err();
    let start = Instant::now();
    server.client(&once).send(&request(1)).await.unwrap();
    assert!(start.elapsed() < Duration::from_secs(15));
}

/// Sends so many requests at once and returns what the server saw.
async fn burst(requests: u64, limits: &Limits, answer: Duration) -> Vec<Seen> {
    let server = Scripted::start(move |_, _| Reply::After(answer, ok())).await;
    let client = server.client(limits);
    let tasks: Vec<_> = (0..requests)
        .map(|number| {
            let client = client.clone();
            tokio::spawn(async move { client.send(&request(number)).await })
        })
        .collect();
    for task in tasks {
        task.await.unwrap().unwrap();
    }
    let mut seen = server.seen();
    seen.sort_by_key(|seen| seen.arrived);
    seen
}

#[tokio::test]
async fn no_more_requests_are_under_way_than_allowed() {
    for concurrency in [1, 3, 8] {
        let limits = Limits {
            concurrency,
            ..quick()
        };
        let seen = burst(24, &limits, Duration::from_millis(40)).await;
        // The most at once is reached at an arrival.
        let at_once = |now: &Seen| {
            let under_way =
                |other: &&Seen| other.arrived <= now.arrived && other.ended.unwrap() > now.arrived;
            seen.iter().filter(under_way).count()
        };
        assert_eq!(seen.iter().map(at_once).max(), Some(concurrency as usize));
    }
}

/// The most that `cost` per request exceeds `rate·t + burst` in any window, both ends included. Arrivals may be late
/// by up to `late`, which makes windows shorter than they were when sent.
fn excess(seen: &[Seen], cost: f64, rate: f64, burst: f64, late: Duration) -> f64 {
    let mut worst = f64::MIN;
    for (from, start) in seen.iter().enumerate() {
        for (to, end) in seen.iter().enumerate().skip(from) {
            let window = (end.arrived - start.arrived + late).as_secs_f64();
            worst = worst.max((to - from + 1) as f64 * cost - rate * window - burst);
        }
    }
    worst
}

#[tokio::test]
async fn no_window_at_the_server_has_more_than_the_rates_allow() {
    let late = Duration::from_millis(150);
    let free = Limits {
        concurrency: 64,
        ..quick()
    };
    // 20 a second: 50 requests at once would be 30 - 3 over the bound of a short window.
    let limits = Limits {
        requests_per_minute: Some(1_200),
        ..free.clone()
    };
    let seen = burst(50, &limits, Duration::ZERO).await;
    assert!(excess(&seen, 1.0, 20.0, 20.0, late) <= 0.0);
    assert!(
        excess(
            &burst(50, &free, Duration::ZERO).await,
            1.0,
            20.0,
            20.0,
            late
        ) > 0.0
    );

    // Each answer costs 32 tokens, and its request holds more than 100 until that is known. With answers that take
    // their time, no more than 2,400 / 100 = 24 pass in the first second.
    let limits = Limits {
        tokens_per_minute: Some(144_000),
        ..free
    };
    let seen = burst(60, &limits, Duration::from_millis(1)).await;
    assert!(excess(&seen, 32.0, 2_400.0, 2_400.0, late) <= 0.0);
    let slow = burst(40, &limits, Duration::from_secs(3)).await;
    assert!(excess(&slow[..30], 100.0, 2_400.0, 2_400.0, late) <= 0.0);
}

#[tokio::test]
async fn retries_count_against_the_rate() {
    let server = Scripted::start(|_, _| Reply::Now(error(500, &[]))).await;
    // One a second; the fourth attempt comes no earlier than three seconds after the first.
    let limits = Limits {
        attempts: 4,
        requests_per_minute: Some(60),
        ..quick()
    };
    server.client(&limits).send(&request(1)).await.unwrap_err();
    let seen = server.seen();
    let time = seen[3].arrived - seen[0].arrived;
    assert!(time >= Duration::from_millis(2_900), "{time:?}");
}
