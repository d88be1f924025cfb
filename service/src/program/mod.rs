//! A server as a program: arguments, settings, threads, signals, exit code.
//!
//! The highest layer: knows all others.

mod config;

use std::fmt::{self, Write as _};
use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::thread;

use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

use crate::app::{App, Server};
use crate::process::cgroup::Cgroup;
use crate::process::identity::VERSION;
use crate::process::memory::{self, Sum};
use crate::process::runtime;
use crate::server::{Stop, exposition, listener, stop};
use crate::settings::environment::{Environment, Invalid, Setting, Values};
use crate::settings::limits::Limits;
use crate::settings::spelling;
use crate::telemetry::log;
use crate::telemetry::metrics::Metrics;
use config::Config;

/// Exit code for wrong arguments or settings: `EX_USAGE` of sysexits(3).
const USAGE: u8 = 64;

/// Runs `A` as the whole program. Exits 0 after a clean drain, 1 where it cannot serve or had to cut requests, 64 on wrong
/// arguments or settings.
pub fn main<A: App>() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1);
    match (arguments.next(), arguments.next()) {
        (None, _) => start::<A>(),
        (Some(only), None) if only == "--help" || only == "-h" => print::<A>(&help::<A>()),
        (Some(only), None) if only == "--settings" => settings::<A>(),
        (Some(only), None) if only == "--memory" => memory::<A>(),
        (Some(only), None) if only == "--version" || only == "-V" => version::<A>(),
        (Some(argument), _) => {
            let (name, argument) = (A::NAME, argument.display());
            complain::<A>(format_args!(
                "the argument {argument} is not accepted: settings are environment variables, see {name} --help"
            ));
            ExitCode::from(USAGE)
        }
    }
}

/// The variables of this process.
fn given() -> Environment<'static> {
    Environment::new(&|name| std::env::var_os(name))
}

/// Says which version the image is of, as every log and reply will.
fn version<A: App>() -> ExitCode {
    let mut environment = given();
    let version = environment.name(VERSION);
    if let Err(invalid) = environment.finish() {
        return refused::<A>(&invalid);
    }
    print::<A>(&format!("{} {version}\n", A::NAME))
}

/// Prints to standard output. Whoever reads it may have had enough and be gone; a full disk is a failure.
fn print<A: App>(text: &str) -> ExitCode {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            complain::<A>(format_args!("standard output: {error}"));
            ExitCode::FAILURE
        }
        _ => ExitCode::SUCCESS,
    }
}

/// Says to standard error what is wrong. `eprintln!` would panic where nobody reads that.
fn complain<A: App>(mistake: impl fmt::Display) {
    let _ = io::stderr().lock().write_all(format!("{}: {mistake}\n", A::NAME).as_bytes());
}

/// What [`configure`] reads, whatever the environment.
fn known<A: App>() -> Vec<Setting> {
    let mut environment = Environment::new(&|_| None);
    configure::<A>(&mut environment);
    environment.settings().to_vec()
}

fn help<A: App>() -> String {
    let settings = known::<A>();
    let width = |text: fn(&Setting) -> &'static str| settings.iter().map(|s| text(s).len()).max().unwrap_or(0);
    let (names, defaults) = (width(|s| s.name), width(|s| s.default));
    let mut help = format!(
        "{}: {}\n\nUsage: {} [--help | --settings | --memory | --version]\n\n\
         Settings are environment variables; an empty one counts as unset. --settings prints them as JSON with all that they\n\
         take, and exits 64 where the environment has a value that is not accepted. --memory prints what they let the process\n\
         take of memory at most, term by term.\n\n",
        A::NAME,
        A::ABOUT,
        A::NAME
    );
    for Setting { name, default, values, about, .. } in settings {
        let _ = write!(help, "  {name:names$}  {default:defaults$}  {about}");
        let _ = match values {
            Values::Numbers { least, most } => writeln!(help, " ({least} to {most})"),
            Values::Decimals { least, most } => writeln!(help, " ({least} to {most})"),
            Values::Words { .. } | Values::Text {} => writeln!(help),
        };
    }
    help
}

/// Prints the settings as JSON; refuses the same values as a start would.
fn settings<A: App>() -> ExitCode {
    let mut environment = given();
    configure::<A>(&mut environment);
    let json = serde_json::to_string_pretty(environment.settings()).expect("texts and numbers serialize");
    let printed = print::<A>(&(json + "\n"));
    environment.finish().map_or_else(|invalid| refused::<A>(&invalid), |()| printed)
}

/// Prints the sum of what the settings let the process take of memory, as JSON.
fn memory<A: App>() -> ExitCode {
    let mut environment = given();
    let (config, own) = configure::<A>(&mut environment);
    if let Err(invalid) = environment.finish() {
        return refused::<A>(&invalid);
    }
    let sum = Sum::of(&config.limits, A::memory(&own, &config.limits));
    print::<A>(&(serde_json::to_string_pretty(&sum).expect("texts and numbers serialize") + "\n"))
}

/// Compares what the settings let the process take of memory with what its container may.
fn compare_memory<A: App>(limits: &Limits, own: &A::Config, limit: Option<u64>) {
    let own = |limits: &Limits| A::memory(own, limits);
    let needs = Sum::of(limits, own(limits)).bytes;
    let Some(limit) = limit.filter(|limit| *limit < needs) else {
        tracing::info!(bound_mib = memory::mib(needs), limit_mib = limit.map(|limit| limit >> 20), "memory");
        return;
    };
    let enough = memory::lower(limit, limits, own);
    let enough: Vec<String> = enough.iter().map(|lower| format!("{} to {}", lower.name, lower.to)).collect();
    let lower = match &*enough {
        [] => memory::knobs() + " together",
        enough => enough.join(", or "),
    };
    tracing::warn!(
        bound_mib = memory::mib(needs),
        limit_mib = limit >> 20,
        lower,
        "memory: what the settings allow does not fit into the limit, and clients could have the process killed; raise the \
         limit to bound_mib, or lower a setting"
    );
}

fn refused<A: App>(settings: &[Invalid]) -> ExitCode {
    for invalid in settings {
        complain::<A>(invalid);
    }
    ExitCode::from(USAGE)
}

fn configure<A: App>(environment: &mut Environment) -> (Config, A::Config) {
    let config = Config::read(environment, A::NAME);
    (config, A::configure(environment))
}

fn start<A: App>() -> ExitCode {
    let mut environment = given();
    let (mut config, own) = configure::<A>(&mut environment);
    let settings: Vec<&str> = environment.settings().iter().map(|setting| setting.name).collect();
    if let Err(invalid) = environment.finish() {
        return refused::<A>(&invalid);
    }
    config.identity.faults = [config.faults.names(), A::faults(&own)].concat();
    log::start(config.log_format, config.log_level);
    let cgroup = Cgroup::own();
    // An error means that the number of cores cannot be read; one worker always works.
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let workers = runtime::workers(cgroup.quota(), cores);
    tracing::info!(
        service = config.identity.service,
        version = config.identity.version,
        pod = config.identity.pod,
        node = config.identity.node,
        namespace = config.identity.namespace,
        pod_ip = config.identity.address,
        workers = ?workers,
        "starting"
    );
    for name in &config.identity.faults {
        tracing::warn!(name, "fault: switched on by a setting FAULT_..., this is a rehearsal");
    }
    warn_of_misspelled(&settings);
    compare_memory::<A>(&config.limits, &own, cgroup.memory_limit());
    let served = runtime::build(workers).and_then(|runtime| {
        let served = runtime.block_on(serve::<A>(config, own));
        // Dropping the runtime would wait for its blocking threads, such as one that resolves a name.
        runtime.shutdown_background();
        served
    });
    match served {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            complain::<A>(error);
            ExitCode::FAILURE
        }
    }
}

/// A setting with a wrong name would do nothing. Its value is not logged: it may be a secret.
fn warn_of_misspelled(settings: &[&'static str]) {
    let names: Vec<String> = std::env::vars_os().filter_map(|(name, _)| name.into_string().ok()).collect();
    for (name, nearest) in spelling::misspelled(settings, &names) {
        tracing::warn!(
            name,
            nearest,
            "unknown setting: no variable of this name is read, see the nearest one in --help"
        );
    }
}

async fn serve<A: App>(config: Config, own: A::Config) -> io::Result<bool> {
    let (stop, stopping) = stop();
    // Before anything is served: as process 1 of a container, a signal without a handler is ignored.
    watch_signals(stop, config.faults.ignore_term)?;
    let main = bind(config.address, "PORT")?;
    let metrics = bind(config.metrics_address, "METRICS_PORT")?;
    tracing::info!(address = %main.local_addr()?, metrics_address = %metrics.local_addr()?, "listening");
    let mut registry = Metrics::new(&config.identity);
    let app = Arc::new(A::new(own, &config.identity, &mut registry));
    let server = Server::new(config.identity, registry, config.timing, config.limits, config.faults);
    let server = Arc::new(server);
    tokio::spawn(exposition::serve(metrics, Arc::clone(&server), Arc::clone(&app)));
    config.faults.allocate();
    let clean = tokio::select! {
        clean = Arc::clone(&server).run(main, app, stopping) => clean,
        () = config.faults.crash() => false,
    };
    tracing::info!(in_flight = server.metrics.requests_in_flight(), clean, "exit");
    Ok(clean)
}

/// SIGTERM is Kubernetes' way to end a pod, SIGINT that of a person at a terminal.
fn watch_signals(stop: Stop, ignored: bool) -> io::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::spawn(async move {
        loop {
            let name = tokio::select! {
                _ = terminate.recv() => "SIGTERM",
                _ = interrupt.recv() => "SIGINT",
            };
            tracing::info!(signal = name, ignored, "term");
            if !ignored {
                stop.ask();
            }
        }
    });
    Ok(())
}

fn bind(address: SocketAddr, variable: &str) -> io::Result<TcpListener> {
    listener::bind(address).map_err(|error| {
        let text = format!(
            "cannot listen on {address}: {error}; free the address, or set BIND_ADDRESS or {variable} to another"
        );
        io::Error::new(error.kind(), text)
    })
}
