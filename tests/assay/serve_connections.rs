//! Connections: who is slow, idle, one too many, or has closed the sending side; and what HTTP allows besides.

use crate::harness::{Test, tests};
use std::collections::BTreeSet;
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Resource, Rlimit, getrlimit, prlimit};
use serde_json::{Value, json};

use crate::serve::ENDLESS;
use crate::serve_support::{Served, repair};
use crate::small_world::RIGHT;

const HEALTH: &str = "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n";

fn connect(served: &Served) -> TcpStream {
    let stream = TcpStream::connect(served.url.strip_prefix("http://").unwrap()).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    stream
}

fn request(version: &str, question: &Value) -> String {
    let body = question.to_string();
    let length = body.len();
    format!(
        "POST /v1/verify HTTP/{version}\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
    )
}

/// Takes a while.
fn slow(number: usize) -> Value {
    repair(&format!("import time\n\ntime.sleep(1)\n\n\n{RIGHT}\n\n# {number}\n"))
}

/// Everything until the service closes, and how long that took.
fn rest(stream: &mut TcpStream) -> (String, Duration) {
    let (began, mut bytes) = (Instant::now(), Vec::new());
    match stream.read_to_end(&mut bytes) {
        Ok(_) => {}
        Err(error) => assert_eq!(error.kind(), ErrorKind::ConnectionReset, "{error}"),
    }
    (String::from_utf8(bytes).unwrap(), began.elapsed())
}

/// Asks on a connection of its own for one response. The service may have answered and closed before all was sent.
fn exchange(served: &Served, request: &str) -> String {
    let mut stream = connect(served);
    for sent in [stream.write_all(request.as_bytes()), stream.shutdown(Shutdown::Write)] {
        let closed = [ErrorKind::BrokenPipe, ErrorKind::ConnectionReset, ErrorKind::NotConnected];
        assert!(sent.as_ref().err().is_none_or(|error| closed.contains(&error.kind())), "{sent:?}");
    }
    rest(&mut stream).0
}

fn said(log: &Path, what: &str) -> usize {
    std::fs::read_to_string(log).unwrap().lines().filter(|line| line.contains(what)).count()
}

#[tokio::main(flavor = "multi_thread")]
async fn connections_that_are_idle_or_slow_are_closed_and_one_that_waits_for_its_answer_is_not() {
    let limits = ["--head-timeout", "1", "--idle-timeout", "2", "--body-timeout", "1"];
    let served = Served::start(&limits, None);
    served.ready().await;
    let mut endless = repair(ENDLESS);
    endless["deadline_ms"] = json!(4000);
    let waits = served.post("/v1/verify", &endless);
    let slow = tokio::task::block_in_place(|| {
        let silent = connect(&served);
        let mut half = connect(&served);
        half.write_all(b"POST /v1/verify HTTP/1.1\r\nHost: x\r\nContent-").unwrap();
        let mut kept = connect(&served);
        kept.write_all(HEALTH.as_bytes()).unwrap();
        let mut trickling = connect(&served);
        let mut body = connect(&served);
        body.write_all(
            b"POST /v1/verify HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 99\r\n\r\n{",
        )
        .unwrap();
        let began = Instant::now();
        // A byte at a time does not help.
        let trickled = HEALTH.bytes().take_while(|byte| {
            std::thread::sleep(Duration::from_millis(100));
            trickling.write_all(&[*byte]).is_ok() && began.elapsed() < Duration::from_secs(20)
        });
        assert!(trickled.count() < HEALTH.len(), "a head that came in {:?} was taken", began.elapsed());
        [silent, half, body, kept].map(|mut stream| (rest(&mut stream).0, began.elapsed()))
    });
    let [silent, half, body, kept] = slow;
    for (text, took) in [&silent, &half, &body, &kept] {
        assert!(*took < Duration::from_secs(20), "{took:?}: {text}");
    }
    assert_eq!((silent.0.as_str(), half.0.as_str()), ("", ""));
    assert!(body.0.starts_with("HTTP/1.1 408 ") && body.0.contains("body_timeout"), "{}", body.0);
    assert!(kept.0.starts_with("HTTP/1.1 200 ") && !kept.0.contains("connection: close"), "{}", kept.0);

    let long = format!("GET /healthz HTTP/1.1\r\nHost: x\r\nX-Long: {}\r\n\r\n", "x".repeat(100 << 10));
    // A close with unread bytes is a reset, and a reset may take the response along: TCP promises no more.
    assert!((0..10).any(|_| exchange(&served, &long).starts_with("HTTP/1.1 431 ")));
    // Longer at work than any of the limits.
    assert_eq!(waits.await.status(), 504);
}

#[tokio::main(flavor = "multi_thread")]
async fn a_connection_is_kept_for_the_next_request_until_it_is_idle_for_too_long() {
    let served = Served::start(&["--idle-timeout", "1"], None);
    let took = tokio::task::block_in_place(|| {
        let mut stream = connect(&served);
        let mut answer = [0; 4096];
        for _ in 0..3 {
            stream.write_all(HEALTH.as_bytes()).unwrap();
            let read = stream.read(&mut answer).unwrap();
            assert!(answer[..read].starts_with(b"HTTP/1.1 200 "));
            std::thread::sleep(Duration::from_millis(500));
        }
        rest(&mut stream).1
    });
    assert!(took > Duration::from_millis(200) && took < Duration::from_secs(20), "{took:?}");
}

#[tokio::main(flavor = "multi_thread")]
async fn who_closed_the_sending_side_gets_the_answer_and_who_is_gone_takes_the_work_along() {
    let mut served = Served::start(&["--workers", "2"], None);
    served.ready().await;
    tokio::task::block_in_place(|| {
        for (version, number) in [("1.1", 0), ("1.0", 1)] {
            let answer = exchange(&served, &request(version, &slow(number)));
            assert!(answer.starts_with(&format!("HTTP/{version} 200 OK\r\n")), "{answer}");
            let body: Value = serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap();
            assert_eq!((&body["reward"], &body["cached"]), (&json!(1.0), &json!(false)), "{answer}");
        }
        // Two after one another, both sent before the first is answered.
        let both = exchange(&served, &[request("1.1", &slow(2)), request("1.1", &slow(3))].concat());
        assert_eq!(both.matches("HTTP/1.1 200 OK\r\n").count(), 2, "{both}");
        assert_eq!(both.matches("\"reward\":1.0").count(), 2, "{both}");
        assert!(both.starts_with("HTTP/1.1 200 OK\r\n"), "{both}");
    });
    assert_eq!(served.metric("assay_cancelled_total").await, 0.0);

    for version in ["1.1", "1.0"] {
        let before = served.metric("assay_cancelled_total").await;
        let mut stream = connect(&served);
        stream.write_all(request(version, &repair(ENDLESS)).as_bytes()).unwrap();
        let until = Instant::now() + Duration::from_secs(60);
        while served.metric("assay_questions_running").await == 0.0 {
            assert!(Instant::now() < until, "it never ran");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        drop(stream);
        let gone = Instant::now();
        while served.metric("assay_cancelled_total").await == before {
            assert!(gone.elapsed() < Duration::from_secs(20), "the work goes on for nobody");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
    assert!(served.terminate().success());
}

#[tokio::main(flavor = "multi_thread")]
async fn old_chunked_and_pipelined_requests_are_answered() {
    let mut served = Served::start(&[], None);
    served.ready().await;
    let body = repair(RIGHT).to_string();
    let (first, second) = body.split_at(20);
    let head =
        "POST /v1/verify HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n";
    let chunked = format!("{head}{:x}\r\n{first}\r\n{:x}\r\n{second}\r\n0\r\n\r\n", first.len(), second.len());
    tokio::task::block_in_place(|| {
        let mut stream = connect(&served);
        stream.write_all(format!("{chunked}{HEALTH}{HEALTH}").as_bytes()).unwrap();
        stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
        let answers = rest(&mut stream).0;
        assert_eq!(answers.matches("HTTP/1.1 200 OK\r\n").count(), 4, "{answers}");
        assert!(answers.find("\"reward\":1.0") < answers.find("\"status\":\"ok\""), "{answers}");

        let mut stream = connect(&served);
        stream.write_all(request("1.0", &repair(RIGHT)).as_bytes()).unwrap();
        let answer = rest(&mut stream).0;
        assert!(answer.starts_with("HTTP/1.0 200 OK\r\n") && answer.contains("\"reward\":1.0"), "{answer}");
    });
    // Connections that are open for nothing do not hold up the end.
    let _open = (connect(&served), connect(&served));
    let began = Instant::now();
    assert!(served.terminate().success());
    assert!(began.elapsed() < Duration::from_secs(20));
}

#[tokio::main(flavor = "multi_thread")]
async fn one_connection_too_many_is_told_to_come_back_and_health_is_answered() {
    let (served, log) = Served::logged(&["--connections", "2"]);
    tokio::task::block_in_place(|| {
        let until = Instant::now() + Duration::from_secs(120);
        while !exchange(&served, "GET /readyz HTTP/1.0\r\n\r\n").contains(" 200 OK") {
            assert!(Instant::now() < until, "not ready");
            std::thread::sleep(Duration::from_millis(50));
        }
        let mut held = [connect(&served), connect(&served)];
        for stream in &mut held {
            stream.write_all(HEALTH.as_bytes()).unwrap();
            let mut answer = [0; 4096];
            assert!(stream.read(&mut answer).unwrap() > 0);
        }
        let health = exchange(&served, HEALTH);
        assert!(health.starts_with("HTTP/1.1 200 OK\r\n") && health.contains("connection: close"), "{health}");
        let refused = exchange(&served, &request("1.1", &repair(RIGHT)));
        assert!(refused.starts_with("HTTP/1.1 503 ") && refused.contains("retry-after: 1"), "{refused}");
        let body: Value = serde_json::from_str(refused.split_once("\r\n\r\n").unwrap().1).unwrap();
        assert_eq!(
            (&body["error"]["code"], &body["error"]["retryable"]),
            (&json!("too_many_connections"), &json!(true))
        );
        // A crowd that says nothing does not keep health from being asked.
        let _crowd: Vec<_> = (0..40).map(|_| connect(&served)).collect();
        let began = Instant::now();
        assert!(exchange(&served, HEALTH).starts_with("HTTP/1.1 200 OK\r\n"));
        assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
        drop(held);
        let until = Instant::now() + Duration::from_secs(20);
        while !exchange(&served, &request("1.1", &repair(RIGHT))).contains("\"reward\":1.0") {
            assert!(Instant::now() < until, "there is no place again");
            std::thread::sleep(Duration::from_millis(50));
        }
    });
    assert_eq!(said(&log, "2 connections are open, which is the limit"), 1);
}

#[tokio::main(flavor = "multi_thread")]
async fn without_descriptors_health_is_answered_and_one_line_says_so() {
    let (served, log) = Served::logged(&[]);
    served.ready().await;
    tokio::task::block_in_place(|| {
        let open = std::fs::read_dir(format!("/proc/{}/fd", served.pid())).unwrap().flatten();
        let open: BTreeSet<u64> = open.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect();
        // Eight are free below it.
        let most = (0..).filter(|number| !open.contains(number)).nth(8).unwrap();
        let pid = Pid::from_raw(i32::try_from(served.pid()).unwrap());
        let fewer = Rlimit { current: Some(most), ..getrlimit(Resource::Nofile) };
        let before = prlimit(pid, Resource::Nofile, fewer).unwrap();
        let crowd: Vec<_> = (0..60).map(|_| connect(&served)).collect();
        for _ in 0..3 {
            let began = Instant::now();
            let health = exchange(&served, HEALTH);
            assert!(health.starts_with("HTTP/1.1 200 OK\r\n"), "{health}");
            assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
        }
        let refused = exchange(&served, &request("1.1", &repair(RIGHT)));
        assert!(refused.starts_with("HTTP/1.1 503 ") && refused.contains("too_many_connections"), "{refused}");
        assert_eq!(said(&log, "connections cannot be taken"), 1);

        prlimit(pid, Resource::Nofile, before).unwrap();
        drop(crowd);
        let until = Instant::now() + Duration::from_secs(20);
        while !exchange(&served, &request("1.1", &repair(RIGHT))).contains("\"reward\":1.0") {
            assert!(Instant::now() < until, "it does not recover");
            std::thread::sleep(Duration::from_millis(50));
        }
    });
}

#[tokio::main(flavor = "multi_thread")]
async fn a_name_can_be_listened_at_and_the_port_is_told() {
    let served = Served::start(&["--listen", "localhost:0"], None);
    assert!(["http://127.0.0.1:", "http://[::1]:"].iter().any(|local| served.url.starts_with(local)), "{}", served.url);
    assert_eq!(served.get("/healthz").await.status(), 200);
}

pub const TESTS: &[Test] = tests![
    connections_that_are_idle_or_slow_are_closed_and_one_that_waits_for_its_answer_is_not,
    a_connection_is_kept_for_the_next_request_until_it_is_idle_for_too_long,
    who_closed_the_sending_side_gets_the_answer_and_who_is_gone_takes_the_work_along,
    old_chunked_and_pipelined_requests_are_answered,
    one_connection_too_many_is_told_to_come_back_and_health_is_answered,
    without_descriptors_health_is_answered_and_one_line_says_so,
    a_name_can_be_listened_at_and_the_port_is_told,
];
