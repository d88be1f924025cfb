//! The real program: arguments, settings, signals, exit codes.

use std::process::{Command, Output};

use serde_json::Value;
use testing::program::{Program, address};
use testing::wire::{Wire, get, until};

const PROGRAM: &str = env!("CARGO_BIN_EXE_backend");

fn output(arguments: &[&str], environment: &[(&str, &str)]) -> Output {
    Command::new(PROGRAM).args(arguments).env_clear().envs(environment.iter().copied()).output().unwrap()
}

#[test]
fn the_version_is_the_environments() {
    assert_eq!(output(&["--version"], &[]).stdout, b"backend dev\n");
    assert_eq!(output(&["--version"], &[("VERSION", "v7")]).stdout, b"backend v7\n");
    let wrong = output(&["--version"], &[("VERSION", "v 7")]);
    assert_eq!(wrong.status.code(), Some(64));
    assert!(String::from_utf8(wrong.stderr).unwrap().contains("VERSION=\"v 7\" is not accepted"));
}

#[test]
fn help_does_not_depend_on_the_environment() {
    assert_eq!(output(&["--help"], &[]).stdout, output(&["--help"], &[("PORT", "wrong")]).stdout);
}

#[test]
fn settings_are_json_with_unit_default_and_bounds_and_help_lists_every_one_of_them() {
    let printed = output(&["--settings"], &[("BURN_SLOTS", "7")]);
    assert!(printed.status.success());
    let settings: Vec<Value> = serde_json::from_slice(&printed.stdout).unwrap();
    let setting = |name: &str| settings.iter().find(|setting| setting["name"] == name).unwrap();
    let slots = setting("BURN_SLOTS");
    assert_eq!((&slots["default"], &slots["least"], &slots["most"]), (&"2".into(), &1.into(), &64.into()), "{slots}");
    assert_eq!((&slots["unit"], &slots["accepted"]), (&Value::Null, &"a whole number from 1 to 64".into()));
    let idle = setting("IDLE_TIMEOUT_SECONDS");
    assert_eq!((&idle["unit"], &idle["least"], &idle["most"]), (&"seconds".into(), &0.01.into(), &86400.0.into()));
    assert_eq!(setting("BURN_MAX_MS")["unit"], "milliseconds");
    assert_eq!(setting("DISCOVERY")["words"], serde_json::json!(["true", "false"]));
    let help = String::from_utf8(output(&["--help"], &[]).stdout).unwrap();
    for setting in &settings {
        let name = setting["name"].as_str().unwrap();
        let line = help.lines().find(|line| line.split_whitespace().next() == Some(name)).unwrap();
        let about = setting["about"].as_str().unwrap();
        let ends = match (&setting["least"], &setting["most"]) {
            (Value::Null, Value::Null) => about.to_owned(),
            (least, most) => format!("{about} ({} to {})", least.as_f64().unwrap(), most.as_f64().unwrap()),
        };
        assert!(line.ends_with(&ends), "{line}\n{ends}");
    }
    assert_eq!(settings.len(), help.lines().filter(|line| line.starts_with("  ")).count());
}

#[test]
fn settings_refuse_what_a_start_refuses() {
    let wrong = output(&["--settings"], &[("BURN_SLOTS", "65"), ("BURN_DEFAULT_MS", "20000")]);
    assert_eq!(wrong.status.code(), Some(64));
    assert_eq!(wrong.stderr, output(&[], &[("BURN_SLOTS", "65"), ("BURN_DEFAULT_MS", "20000")]).stderr);
    assert!(String::from_utf8(wrong.stderr).unwrap().contains("BURN_SLOTS=\"65\""));
}

#[test]
fn a_reader_that_is_gone_is_no_failure() {
    for argument in ["--help", "--settings", "--version"] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let output = Command::new(PROGRAM).arg(argument).stdout(writer).output().unwrap();
        assert_eq!((output.status.code(), output.stderr.as_slice()), (Some(0), &b""[..]), "{argument}");
    }
}

#[test]
fn a_full_disk_is_said() {
    for argument in ["--help", "--settings", "--version"] {
        let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let output = Command::new(PROGRAM).arg(argument).stdout(full).output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{argument}: {stderr}");
        assert_eq!(stderr, "backend: standard output: No space left on device (os error 28)\n");
    }
}

/// The reader of the log goes (`| head`), and nobody reads what is said about that either.
#[tokio::test]
async fn a_service_outlives_the_readers_of_its_log() {
    let broken = || std::io::pipe().unwrap().1;
    let port = testing::port::free();
    let mut child = Command::new(PROGRAM)
        .env_clear()
        .envs([("BIND_ADDRESS", "127.0.0.1"), ("METRICS_PORT", "0"), ("DRAIN_SECONDS", "0"), ("LOG_LEVEL", "debug")])
        .env("PORT", port.to_string())
        .stdout(broken())
        .stderr(broken())
        .spawn()
        .unwrap();
    let address = std::net::SocketAddr::from(([127, 0, 0, 1], port));
    until("it answers", async || match Wire::connect(address).await {
        Ok(mut client) => client.get("/ready").await.is_ok_and(|reply| reply.status == 200),
        Err(_) => false,
    })
    .await;
    assert_eq!(get(address, "/api/items").await.status, 200);
    let id = child.id().to_string();
    assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

/// Each in a network of its own: as it is, with sockets that are of IPv6 alone unless told otherwise, and without IPv6.
#[test]
fn both_families_are_listened_on_where_they_are() {
    const SCRIPT: &str = r#"ip link set lo up && eval "$1" || exit 1
        log=$(mktemp); "$2" >"$log" & backend=$!
        until grep -q '"listening"' "$log"; do sleep 0.05; done
        ask() { bash -c 'exec 3<>"/dev/tcp/$0/8000" &&
            printf "GET /health HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n" >&3 && head -n 1 <&3' "$1" 2>/dev/null; }
        ask 127.0.0.1; ask ::1
        kill $backend; wait $backend; rm "$log""#;
    for (network, answers) in
        [("true", 2), ("sysctl -qw net.ipv6.bindv6only=1", 2), ("sysctl -qw net.ipv6.conf.all.disable_ipv6=1", 1)]
    {
        let output = Command::new("unshare")
            .args(["--map-root-user", "--net", "bash", "-c", SCRIPT, "bash", network, PROGRAM])
            .env("DRAIN_SECONDS", "0")
            .output()
            .unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        assert_eq!(
            text.replace('\r', ""),
            "HTTP/1.1 200 OK\n".repeat(answers),
            "{network}: {output:?}",
            output = output.stderr
        );
    }
}

#[test]
fn wrong_settings_and_arguments_exit_64_and_say_why() {
    let wrong = output(&[], &[("PORT", "80 00"), ("DRAIN_SECONDS", "-1"), ("BURN_DEFAULT_MS", "20000")]);
    assert_eq!(wrong.status.code(), Some(64));
    let text = String::from_utf8(wrong.stderr).unwrap();
    assert_eq!(text.lines().count(), 3, "{text}");
    assert!(text.contains("PORT=\"80 00\" is not accepted: set it to a whole number from 0 to 65535"), "{text}");
    assert!(text.contains("at most BURN_MAX_MS, which is 10000"), "{text}");
    assert_eq!(output(&["--port=1"], &[]).status.code(), Some(64));
    assert_eq!(output(&["--help", "x"], &[]).status.code(), Some(64));
}

#[test]
fn wrong_items_exit_64_and_name_what_to_set() {
    let data = std::env::temp_dir().join(format!("backend-items-{}", std::process::id()));
    std::fs::write(&data, r#"[{"id":1},{"id":1}]"#).unwrap();
    let file = data.to_str().unwrap();
    for (environment, says) in [
        (&[("RESOURCE_DATA", "[{}]")][..], "RESOURCE_DATA=\"[{}]\" is not accepted"),
        (&[("RESOURCE_FILE", "/nowhere")], "the file can't be read"),
        (&[("RESOURCE_FILE", file)], "two items have the id 1"),
        (&[("RESOURCE_FILE", file), ("RESOURCE_DATA", "[]")], "nothing where RESOURCE_DATA is set"),
        (&[("RESOURCE", "echo")], "RESOURCE=\"echo\""),
    ] {
        let wrong = output(&[], environment);
        let text = String::from_utf8(wrong.stderr).unwrap();
        assert_eq!((wrong.status.code(), text.lines().count()), (Some(64), 1), "{environment:?}: {text}");
        assert!(text.contains(says), "{text}");
    }
    std::fs::remove_file(data).unwrap();
}

#[test]
fn a_taken_port_is_one_clear_message() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let refused = output(&[], &[("BIND_ADDRESS", "127.0.0.1"), ("PORT", &port), ("METRICS_PORT", "0")]);
    assert_eq!(refused.status.code(), Some(1));
    let text = String::from_utf8(refused.stderr).unwrap();
    assert!(text.contains(&format!("cannot listen on 127.0.0.1:{port}")) && text.contains("PORT"), "{text}");
}

fn start(environment: &[(&str, &str)]) -> Program {
    Program::spawn(&mut Command::new(PROGRAM), environment)
}

#[tokio::test]
async fn sigterm_drains_and_exits_0_with_every_step_logged() {
    let mut program = start(&[("DRAIN_SECONDS", "0.2"), ("POD_NAME", "backend-7")]);
    assert_eq!(program.line("starting")["pod"], "backend-7");
    let listening = program.line("listening");
    let service = address(&listening, "address");
    program.line("ready");
    let mut kept = Wire::connect(service).await.unwrap();
    let before = kept.get("/api/items").await.unwrap();
    assert_eq!((before.status, before.says_close()), (200, false));
    assert!(before.header("x-served-by").unwrap().ends_with("/backend-7"));

    let mut slow = Wire::connect(service).await.unwrap();
    slow.send("GET /api/cpu-burn?ms=600 HTTP/1.1\r\nHost: test\r\n\r\n").await.unwrap();
    let metrics = address(&listening, "metrics_address");
    until("the burn", async || get(metrics, "/metrics").await.text().contains("\nhttp_requests_in_flight 1\n")).await;

    program.signal("-TERM");
    assert_eq!(program.line("term")["signal"], "SIGTERM");
    let draining = program.line("draining");
    assert_eq!(draining["in_flight"], 1, "{draining}");
    let during = kept.get("/ready").await.unwrap();
    assert_eq!((during.status, during.says_close()), (503, true));
    let burned = slow.reply("GET").await.unwrap();
    assert_eq!((burned.status, burned.says_close()), (200, true));
    assert_eq!(program.line("exit")["in_flight"], 0);
    assert_eq!(program.child.wait().unwrap().code(), Some(0));
}

#[tokio::test]
async fn a_request_that_outlives_the_deadline_is_reported_by_the_exit_code() {
    let mut program = start(&[("DRAIN_SECONDS", "0"), ("LONGEST_REQUEST_SECONDS", "0.05")]);
    let service = address(&program.line("listening"), "address");
    let mut slow = Wire::connect(service).await.unwrap();
    slow.send("GET /api/cpu-burn?ms=10000 HTTP/1.1\r\nHost: test\r\n\r\n").await.unwrap();
    assert_eq!(get(service, "/health").await.status, 200);
    program.signal("-INT");
    assert!(slow.reply("GET").await.is_err());
    assert_eq!(program.line("exit")["clean"], false);
    assert_eq!(program.child.wait().unwrap().code(), Some(1));
}

#[tokio::test]
async fn metrics_have_a_port_of_their_own() {
    let mut program = start(&[]);
    let listening = program.line("listening");
    let (service, metrics) = (address(&listening, "address"), address(&listening, "metrics_address"));
    program.line("ready");
    get(service, "/api/items/3").await;
    let reply = get(metrics, "/metrics").await;
    assert!(reply.header("content-type").unwrap().starts_with("application/openmetrics-text"));
    for line in [
        "http_requests_total{method=\"GET\",route=\"/api/items/{id}\",status=\"2xx\"} 1",
        "http_requests_in_flight 0",
        "build_info{service=\"backend\"",
        "process_resident_memory_bytes ",
        "process_cpu_seconds_total ",
        "http_request_duration_seconds_bucket",
        "# EOF",
    ] {
        assert!(reply.text().contains(line), "{line} is not in\n{}", reply.text());
    }
    assert_eq!(get(metrics, "/api/items").await.status, 404);
    assert_eq!(get(service, "/metrics").await.status, 404);
}

#[tokio::test]
async fn faults_are_announced_at_the_start_and_in_replies() {
    let mut program = start(&[("FAULT_NEVER_READY", "true"), ("FAULT_HEALTH_BEHIND_BURN", "true")]);
    for name in ["never-ready", "health-behind-burn"] {
        let line = program.line("fault");
        assert_eq!((&line["name"], &line["level"]), (&name.into(), &"WARN".into()), "{line}");
    }
    let service = address(&program.line("listening"), "address");
    let all: Value = serde_json::from_slice(&get(service, "/api/items").await.body).unwrap();
    assert_eq!(all["served_by"]["faults"], serde_json::json!(["never-ready", "health-behind-burn"]));
}

#[tokio::test]
async fn a_crash_on_purpose_exits_1_when_it_is_due() {
    let mut at_once = start(&[("FAULT_CRASH_AFTER_SECONDS", "0")]);
    assert_eq!(at_once.child.wait().unwrap().code(), Some(1));
    let mut later = start(&[("FAULT_CRASH_AFTER_SECONDS", "0.5")]);
    let service = address(&later.line("listening"), "address");
    assert_eq!(get(service, "/ready").await.status, 200);
    assert_eq!(later.line("the process ends")["fault"], "crash");
    assert_eq!(later.child.wait().unwrap().code(), Some(1));
}

#[tokio::test]
async fn a_program_that_ignores_sigterm_serves_on() {
    let mut program = start(&[("FAULT_IGNORE_TERM", "true"), ("DRAIN_SECONDS", "0")]);
    let service = address(&program.line("listening"), "address");
    program.line("ready");
    program.signal("-TERM");
    assert_eq!(program.line("term")["ignored"], true);
    let reply = get(service, "/ready").await;
    assert_eq!((reply.status, reply.says_close()), (200, false));
}

#[tokio::test]
async fn allocated_memory_is_resident() {
    let mut program = start(&[("FAULT_MEMORY_MIB_PER_SECOND", "200")]);
    let metrics = address(&program.line("listening"), "metrics_address");
    until("60 MiB", async || {
        let text = get(metrics, "/metrics").await.text().to_owned();
        let bytes = text.lines().find_map(|line| line.strip_prefix("process_resident_memory_bytes ")).unwrap();
        bytes.parse::<u64>().unwrap() > 60 << 20
    })
    .await;
}

/// With every file descriptor in use, the program waits without spinning, and goes on when one is free.
#[tokio::test]
async fn running_out_of_file_descriptors_is_survived() {
    let script = format!("ulimit -n 40 && exec {PROGRAM}");
    let mut program = Program::spawn(Command::new("/bin/sh").args(["-c", &script]), &[]);
    let service = address(&program.line("listening"), "address");
    let mut clients = Vec::new();
    for _ in 0..60 {
        clients.push(Wire::connect(service).await.unwrap());
    }
    assert!(program.line("accepting fails")["error"].as_str().unwrap().contains("os error 24"));
    let before = cpu_ticks(&program);
    // Some back-offs later the program has done next to nothing: a loop that spins takes 30 ticks.
    program.line("accepting fails");
    tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    assert!(cpu_ticks(&program) - before < 10);
    assert_eq!(clients[0].get("/health").await.unwrap().status, 200);
    clients.truncate(1);
    assert_eq!(get(service, "/health").await.status, 200);
}

/// CPU time of the program in hundredths of a second.
fn cpu_ticks(program: &Program) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", program.child.id())).unwrap();
    let fields = stat.rsplit_once(')').unwrap().1.split_ascii_whitespace().skip(11).take(2);
    fields.map(|field| field.parse::<u64>().unwrap()).sum()
}
