//! The commands, each a table: what `--help` prints and what the parser takes.

use std::time::Duration;

use super::command::{Note, Operands, Spec};
use super::given::{self, Given};
use super::option::Take::{Count, Path, Rate, Switch, Text, Time};
use super::option::{Row, row};
use super::parsed::{Ask, Command};

const MS: Duration = Duration::from_millis(1);
const TENTH: Duration = Duration::from_millis(100);
const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);

const TIME: Note = Note::Text("A TIME is 500ms, 10s, 2m, 1h, or a number of seconds.");
const SIGNAL: (&str, &str) = ("128 + N", "ended by signal N");
const USAGE: (&str, &str) = ("64", "wrong usage");
const UNPRINTED: (&str, &str) = ("74", "standard output can't be written");

const HEADER: Row = row(
    "-H, --header 'NAME: VALUE'",
    "",
    "add a header, or replace a default one such as Host; repeatable",
    Text(Given::header),
);
const METHOD: Row = row("-X, --method METHOD", "GET, or POST with --data", "method", Text(Given::method));
const DATA: Row = row(
    "--data BODY",
    "",
    "body; it has no content-type unless a header says so",
    Text(|given, text| {
        given.data = Some(text.to_owned());
        Ok(())
    }),
);

const fn timeout(default: &'static str, most: Duration, about: &'static str) -> Row {
    row("--timeout TIME", default, about, Time(MS, most, |given, time| given.timeout = time))
}

const GET: Spec = Spec {
    name: "get",
    operands: Operands::One("URL"),
    summary: "make one request, print the reply",
    about: "Make one request and print the reply: the address that answered, the status and the headers on standard error, the \
            body, byte for byte, on standard output. Redirects are shown, not followed.",
    options: &[(
        "Options",
        &[
            HEADER,
            METHOD,
            DATA,
            timeout("10s", HOUR, "for the name, the connection, the request and the reply together"),
            row("-q, --quiet", "", "print the body alone", Switch(|given| given.quiet = true)),
        ],
    )],
    notes: &[
        Note::Text(
            "URL is http://HOST[:PORT][/PATH][?QUERY]; HOST is a name, an IPv4 address or an [IPv6 address]. All addresses of a \
             name are tried, families in turn, the next 250 ms after the one before it or as soon as that has failed (RFC 8305).",
        ),
        TIME,
    ],
    exits: &[
        ("0", "a status below 400"),
        ("1", "a status of 400 or above"),
        ("2", "no complete reply"),
        USAGE,
        UNPRINTED,
        SIGNAL,
    ],
    examples: &[
        "client get http://backend-svc:8000/api/items",
        "client get -q http://backend-svc:8000/api/items/1 | jq .item",
        "client get http://127.0.0.1:8080/api/items -H 'Host: practice.example'",
    ],
    build: given::get,
};

const WAIT: Spec = Spec {
    name: "wait",
    operands: Operands::One("URL"),
    summary: "ask until the reply is 200 to 299, or the status asked for",
    about: "Ask, over a new connection each time, until the status is the one asked for.",
    options: &[(
        "Options",
        &[
            row("--status STATUS", "any of 200 to 299", "the status to wait for", Text(Given::status)),
            timeout("60s", HOUR, "give up after this long"),
            row(
                "--interval TIME",
                "500ms",
                "from one try to the next",
                Time(Duration::from_millis(50), MINUTE, |given, time| given.interval = time),
            ),
            HEADER,
        ],
    )],
    notes: &[Note::Text("One try takes at most 2 s, and tries all addresses of a name as get does."), TIME],
    exits: &[
        ("0", "answered as asked"),
        ("1", "gave up, the last reply had another status"),
        ("2", "gave up, the last try had no reply"),
        USAGE,
        SIGNAL,
    ],
    examples: &[
        "client wait http://127.0.0.1:30080/ready --timeout 2m",
        "client wait http://backend-svc:8000/ready --status 503",
    ],
    build: given::wait,
};

const LOAD: Spec = Spec {
    name: "load",
    operands: Operands::Many("URL"),
    summary: "make requests at a fixed rate, account for every one",
    about: "Make requests at a fixed rate, and account for every one of them.",
    options: &[
        (
            "Load",
            &[
                row("-r, --rate N", "100", "requests a second", Rate(|given, rate| given.plan.rate = rate)),
                row(
                    "-d, --duration TIME",
                    "60s",
                    "for how long requests come due",
                    Time(TENTH, HOUR, |given, time| given.plan.duration = time),
                ),
                row(
                    "-c, --connections N",
                    "50",
                    "connections to each host and port",
                    Count(10_000, |given, count| given.plan.connections = count),
                ),
                row(
                    "--new-connections",
                    "",
                    "a new connection for each request, closed after the reply (the request says Connection: close); then -c is \
                     how many may be open at a time",
                    Switch(|given| given.plan.new_connections = true),
                ),
                row(
                    "--round-trip TIME",
                    "none",
                    "act like a client that is so far away: all that it sends and hears is on its way for half of it",
                    Time(MS, SECOND, |given, time| given.plan.round_trip = time),
                ),
                timeout("5s", MINUTE, "from when a request is due to the end of its reply"),
                row(
                    "--mix SHARE=URL",
                    "",
                    "send this share of the requests there, 1% or 0.01; repeatable. The URLs without a share divide the rest \
                     evenly",
                    Text(Given::mix),
                ),
            ],
        ),
        (
            "Request",
            &[
                HEADER,
                METHOD,
                DATA,
                row(
                    "--echo",
                    "",
                    "a POST with a body that no other request has (its x-request-id in 32 lines), which must come back unchanged",
                    Switch(|given| given.plan.echo = true),
                ),
            ],
        ),
        (
            "What is an answer",
            &[
                row(
                    "--accept STATUS",
                    "",
                    "besides 200 to 299, this status is an answer too; repeatable",
                    Text(Given::accept),
                ),
                row(
                    "--contains TEXT",
                    "",
                    "an answer's body must contain this, within its first MiB",
                    Text(Given::contains),
                ),
            ],
        ),
        (
            "Result",
            &[
                row("-o, --output table|json", "table", "form of the ledger on standard output", Text(Given::output)),
                row(
                    "--ledger FILE",
                    "",
                    "write the ledger to FILE as JSON as well, before anything is printed. FILE is as it was until all of the \
                     new one is on the disk",
                    Path(|given, path| given.plan.ledger = Some(path)),
                ),
            ],
        ),
    ],
    notes: &[
        Note::Text(
            "The loop is open. Request i is due at start + i / rate, whatever became of those before it, and its latency counts \
             from that moment. It is given to the connection that has been idle longest, or waits for one; what waits longer \
             than the timeout is lost as 'unsent'. The time by which this client itself was late (it was stopped, or the machine \
             is too busy) is no loss of the server's: the request has it on top of its timeout, and what has arrived is read \
             before it is judged.",
        ),
        Note::Text(
            "Nothing is retried. A request is answered when its complete reply arrived in time with an accepted status and its \
             own x-request-id; else it is lost, and the ledger says how:",
        ),
        Note::Losses,
        Note::Text(
            "A connection that is found closed while idle, before a byte of the next request is written, costs nothing and is \
             replaced; the ledger counts it. A reply that says Connection: close is such a notice. A request that is written at \
             the very moment in which the server closes is lost.",
        ),
        Note::Text(
            "The ledger: requests due, sent, answered and lost; replies by status; answers by service, version and pod (from \
             x-served-by), with the first and the last of each; latency; the longest time without an answer; connections. \
             'client lag' is this client's own lateness: when it is not small, the machine is too busy, and latencies are not \
             the server's alone.",
        ),
        Note::Text(
            "A connection to a name goes to one of its addresses, each in turn. A name with addresses of both families has one \
             of each tried: first that of the family which the resolver puts first, and the other one 250 ms later or as soon as \
             the first has failed (RFC 8305).",
        ),
        Note::Text(
            "Above some 400 new connections a second from one address, ports come back within TIME_WAIT, and retransmissions of \
             1 s and 3 s show up that no server caused.",
        ),
        Note::Text(
            "SIGTERM, SIGINT, SIGQUIT or SIGHUP ends the load: what was sent is waited for, and the ledger is printed. A second \
             one gives up on what is open. Under nohup, SIGHUP does nothing.",
        ),
        TIME,
    ],
    exits: &[
        ("0", "nothing was lost"),
        ("1", "something was"),
        ("2", "the ledger could not be written; one for which FILE has no room goes to standard output, as JSON"),
        USAGE,
    ],
    examples: &[
        "client load http://127.0.0.1:30080/proxy/items --rate 1000 --duration 60s --connections 800",
        "client load http://backend-svc:8000/api/cpu-burn -r 20 -d 5m --accept 429",
        "client load http://frontend-svc:8000/proxy/items -r 300 -d 1m --new-connections --ledger run.json",
        "client load http://backend-svc:8000/api/echo -r 50 -d 1m --echo",
        "client load http://10.0.0.1:8000/api/items --mix '1%=http://10.0.0.1:8000/api/cpu-burn?ms=1000'",
    ],
    build: given::load,
};

const SPREAD: Spec = Spec {
    name: "spread",
    operands: Operands::One("FILE"),
    summary: "how evenly the pods answered a load, from its ledger",
    about: "How evenly the pods of each service answered, read from the ledger of a load.",
    options: &[(
        "Options",
        &[
            row(
                "--last TIME",
                "all",
                "count only the answers of this last part",
                Time(TENTH, HOUR, |given, time| given.spread.last = Some(time)),
            ),
            row(
                "--pods SERVICE=N",
                "those that answered",
                "the service has N pods, whether they answered or not; repeatable",
                Text(Given::pods),
            ),
            row(
                "--within SHARE",
                "",
                "fail if a pod's part is further than this from even, 20% or 0.2",
                Text(Given::within),
            ),
        ],
    )],
    notes: &[Note::Text("FILE is what 'client load --ledger FILE' wrote."), TIME],
    exits: &[
        ("0", "printed"),
        ("1", "a pod's part is further from even than --within"),
        ("2", "FILE is no ledger, or shorter than --last"),
        USAGE,
        UNPRINTED,
    ],
    examples: &["client spread run.json --last 30s --pods backend=4 --within 20%"],
    build: given::spread,
};

const HPA: Spec = Spec {
    name: "hpa",
    operands: Operands::None,
    summary: "what an autoscaler computes, from what kubectl says of it",
    about: "What a HorizontalPodAutoscaler computes, a line for each change, with the numbers of the moment. It reads what \
            kubectl says on standard input, until that ends.",
    options: &[("Options", &[])],
    notes: &[
        Note::Text(
            "CPU and TARGET are the average use and its target, in per cent of what the pods request. The formula is \
             ceil(REPLICAS x CPU / TARGET), within the autoscaler's bounds; within 10 % of the target it stays. WANTED is what it \
             asks for; REASON, in its own terms, why that may be something else:",
        ),
        Note::List(&[
            ("ScaleDownStabilized", "fewer would do; it waits whether they will be needed (behavior)"),
            ("TooManyReplicas", "held by maxReplicas"),
            ("TooFewReplicas", "held by minReplicas"),
            ("ScaleUpLimit", "held by a policy, pods or per cent in a period (behavior)"),
            ("ScaleDownLimit", "the same on the way down"),
            ("FailedGetResourceMetric", "no figures: no metrics API, no request, or no pod is ready"),
        ]),
    ],
    exits: &[("0", "standard input ended"), ("2", "it is no autoscaler"), USAGE],
    examples: &["kubectl get hpa NAME -o json --watch | client hpa"],
    build: |_| Ok(Command::Hpa),
};

const PAUSE: Spec = Spec {
    name: "pause",
    operands: Operands::None,
    summary: "do nothing until SIGTERM",
    about: "Do nothing until SIGTERM, SIGINT, SIGQUIT or SIGHUP, then exit with 0. Made to be the first process of a container.",
    options: &[("Options", &[])],
    notes: &[],
    exits: &[("0", "ended by one of these signals"), USAGE],
    examples: &[
        "kubectl run debug --image=client:v1 -- pause",
        "kubectl exec debug -- /client get http://backend-svc:8000/api/items",
    ],
    build: |_| Ok(Command::Ask(Ask::Pause)),
};

pub(super) const COMMANDS: &[Spec] = &[GET, WAIT, LOAD, SPREAD, HPA, PAUSE];

pub(super) const EXITS: &[(&str, &str)] = &[
    ("0", "success"),
    ("1", "a reply that is an error (get, wait), a lost request (load), or a share that is too uneven (spread)"),
    ("2", "no reply, or nothing to read"),
    USAGE,
    ("74", "standard output can't be written; a reader that goes early (| head) changes none of it"),
    SIGNAL,
];

pub(super) const EXAMPLES: &[&str] = &[
    "client get http://backend-svc:8000/api/items",
    "client wait http://127.0.0.1:30080/ready --timeout 60s",
    "client load http://127.0.0.1:30080/proxy/items --rate 1000 --duration 60s --connections 800",
];
