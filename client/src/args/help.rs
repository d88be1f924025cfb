//! What `--help` and `--version` print.

use crate::VERSION;

/// The line of `--version`.
pub(crate) fn version() -> String {
    format!("client {VERSION}\n")
}

/// `client --help`.
pub(crate) const MAIN: &str = "\
An HTTP client that hides nothing: it never retries, and every connection that breaks is seen.

Usage: client COMMAND

Commands:
  get URL     make one request, print the reply
  wait URL    ask until the reply is 200 to 299, or the status asked for
  load URL    make requests at a fixed rate, account for every one
  spread FILE how evenly the pods answered a load, from its ledger
  hpa         what an autoscaler computes, from what kubectl says of it
  pause       do nothing until SIGTERM

Options:
  -h, --help      this text; 'client COMMAND --help' has each command's options and examples
  -V, --version   version

Exit status: 0 success; 1 a reply that is an error (get, wait) or a lost request (load), a share
that is too uneven (spread);
2 no reply; 64 wrong usage; 74 standard output can't be written; 128 + N ended by signal N. A reader
that goes early (| head) changes none of it.

Examples:
  client get http://backend-svc:8000/api/items
  client wait http://127.0.0.1:30080/ready --timeout 60s
  client load http://127.0.0.1:30080/proxy/items --rate 1000 --duration 60s --connections 800
";

/// `client get --help`.
pub(crate) const GET: &str = "\
Make one request and print the reply: the address that answered, the status and the headers on
standard error, the body, byte for byte, on standard output. Redirects are shown, not followed.

Usage: client get URL [OPTIONS]

Options:
  -H, --header 'NAME: VALUE'   add a header, or replace a default one such as Host; repeatable
  -X, --method METHOD          method [default: GET, or POST with --data]
      --data BODY              body; it has no content-type unless a header says so
      --timeout TIME           for the name, the connection, the request and the reply together
                               [default: 10s, at most 1h]
  -q, --quiet                  print the body alone
  -h, --help                   this text

URL is http://HOST[:PORT][/PATH][?QUERY]; HOST is a name, an IPv4 address or an [IPv6 address]. All
addresses of a name are tried, families in turn, the next 250 ms after the one before it or as soon
as that has failed (RFC 8305). A TIME is 500ms, 10s, 2m, 1h, or a number of seconds.

Exit status: 0 a status below 400; 1 a status of 400 or above; 2 no complete reply; 64 wrong usage;
74 standard output can't be written.

Examples:
  client get http://backend-svc:8000/api/items
  client get -q http://backend-svc:8000/api/items/1 | jq .item
  client get http://127.0.0.1:8080/api/items -H 'Host: practice.example'
";

/// `client wait --help`.
pub(crate) const WAIT: &str = "\
Ask, over a new connection each time, until the status is the one asked for.

Usage: client wait URL [OPTIONS]

Options:
      --status STATUS          the status to wait for [default: any of 200 to 299]
      --timeout TIME           give up after this long [default: 60s, at most 1h]
      --interval TIME          from one try to the next [default: 500ms, 50ms to 1m]
  -H, --header 'NAME: VALUE'   add a header, or replace a default one; repeatable
  -h, --help                   this text

One try takes at most 2 s, and tries all addresses of a name as get does. A TIME is 500ms, 10s, 2m,
1h, or a number of seconds.

Exit status: 0 answered as asked; 1 gave up, the last reply had another status;
2 gave up, the last try had no reply; 64 wrong usage.

Examples:
  client wait http://127.0.0.1:30080/ready --timeout 2m
  client wait http://backend-svc:8000/ready --status 503
";

/// `client load --help`.
pub(crate) const LOAD: &str = "\
Make requests at a fixed rate, and account for every one of them.

Usage: client load URL... [OPTIONS]

Load:
  -r, --rate N                 requests a second [default: 100; 0.01 to 20000]
  -d, --duration TIME          for how long requests come due [default: 60s; 100ms to 1h]
  -c, --connections N          connections to each host and port [default: 50; 1 to 10000]
      --new-connections        a new connection for each request, closed after the reply (the
                               request says Connection: close); then -c is how many may be open
                               at a time
      --round-trip TIME        act like a client that is so far away: all that it sends and hears is
                               on its way for half of it [default: none; 1ms to 1s]
      --timeout TIME           from when a request is due to the end of its reply
                               [default: 5s; 1ms to 1m]
      --mix SHARE=URL          send this share of the requests there, 1% or 0.01; repeatable.
                               The URLs without a share divide the rest evenly
Request:
  -H, --header 'NAME: VALUE'   add a header, or replace a default one such as Host; repeatable
  -X, --method METHOD          method [default: GET, or POST with --data]
      --data BODY              body; it has no content-type unless a header says so
      --echo                   a POST with a body that no other request has (its x-request-id in 32
                               lines), which must come back unchanged
What is an answer:
      --accept STATUS          besides 200 to 299, this status is an answer too; repeatable
      --contains TEXT          an answer's body must contain this, within its first MiB
Result:
  -o, --output table|json      form of the ledger on standard output [default: table]
      --ledger FILE            write the ledger to FILE as JSON as well, before anything is printed.
                               FILE is as it was until all of the new one is on the disk
  -h, --help                   this text

The loop is open. Request i is due at start + i / rate, whatever became of those before it, and its
latency counts from that moment. It is given to the connection that has been idle longest, or waits
for one; what waits longer than the timeout is lost as 'unsent'. The time by which this client
itself was late (it was stopped, or the machine is too busy) is no loss of the server's: the request
has it on top of its timeout, and what has arrived is read before it is judged.

Nothing is retried. A request is answered when its complete reply arrived in time with an accepted
status and its own x-request-id; else it is lost, and the ledger says how:
  resolve connect-refused connect-timeout connect-failed
      there was no connection
  closed reset
      the server closed or reset the connection before the head of a reply
  truncated reset-in-body
      the same, in the middle of the body
  timeout protocol crossed status-1xx status-3xx status-4xx status-5xx wrong-body
      no reply in time, no HTTP, another request's reply, a status not accepted, another body
  unsent abandoned
      no connection became idle in time; given up because of a second signal
A connection that is found closed while idle, before a byte of the next request is written, costs
nothing and is replaced; the ledger counts it. A reply that says Connection: close is such a notice.
A request that is written at the very moment in which the server closes is lost.

The ledger: requests due, sent, answered and lost; replies by status; answers by service, version
and pod (from x-served-by), with the first and the last of each; latency; the longest time without
an answer; connections. 'client lag' is this client's own lateness: when it is not small, the
machine is too busy, and latencies are not the server's alone.

A connection to a name goes to one of its addresses, each in turn. A name with addresses of both
families has one of each tried: first that of the family which the resolver puts first, and the
other one 250 ms later or as soon as the first has failed (RFC 8305).

Above some 400 new connections a second from one address, ports come back within TIME_WAIT, and
retransmissions of 1 s and 3 s show up that no server caused.

SIGTERM, SIGINT, SIGQUIT or SIGHUP ends the load: what was sent is waited for, and the ledger is
printed. A second one gives up on what is open. Under nohup, SIGHUP does nothing.

Exit status: 0 nothing was lost; 1 something was; 2 the ledger could not be written; 64 wrong usage.
A ledger for which FILE has no room goes to standard output, as JSON.

Examples:
  client load http://127.0.0.1:30080/proxy/items --rate 1000 --duration 60s --connections 800
  client load http://backend-svc:8000/api/cpu-burn -r 20 -d 5m --accept 429
  client load http://frontend-svc:8000/proxy/items -r 300 -d 1m --new-connections --ledger run.json
  client load http://backend-svc:8000/api/echo -r 50 -d 1m --echo
  client load http://10.0.0.1:8000/api/items --mix '1%=http://10.0.0.1:8000/api/cpu-burn?ms=1000'
";

/// `client spread --help`.
pub(crate) const SPREAD: &str = "\
How evenly the pods of each service answered, read from the ledger of a load.

Usage: client spread FILE [OPTIONS]

Options:
      --last TIME              count only the answers of this last part [default: all; 100ms to 1h]
      --pods SERVICE=N         the service has N pods, whether they answered or not; repeatable
                               [default: those that answered]
      --within SHARE           fail if a pod's part is further than this from even, 20% or 0.2
  -h, --help                   this text

FILE is what 'client load --ledger FILE' wrote.

Exit status: 0 printed; 1 a pod's part is further from even than --within; 2 FILE is no ledger, or
shorter than --last; 64 wrong usage; 74 standard output can't be written.

Example:
  client spread run.json --last 30s --pods backend=4 --within 20%
";

/// `client hpa --help`.
pub(crate) const HPA: &str = "\
What a HorizontalPodAutoscaler computes, a line for each change, with the numbers of the moment. It
reads what kubectl says on standard input, until that ends.

Usage: kubectl get hpa NAME -o json --watch | client hpa

CPU and TARGET are the average use and its target, in per cent of what the pods request. The formula
is ceil(REPLICAS x CPU / TARGET), within the autoscaler's bounds; within 10 % of the target it
stays. WANTED is what it asks for; REASON, in its own terms, why that may be something else:
  ScaleDownStabilized      fewer would do; it waits whether they will be needed (behavior)
  TooManyReplicas          held by maxReplicas
  TooFewReplicas           held by minReplicas
  ScaleUpLimit, ScaleDownLimit
                           held by a policy, pods or per cent in a period (behavior)
  FailedGetResourceMetric  no figures: no metrics API, no request, or no pod is ready

Exit status: 0 standard input ended; 2 it is no autoscaler; 64 wrong usage.
";

/// `client pause --help`.
pub(crate) const PAUSE: &str = "\
Do nothing until SIGTERM, SIGINT, SIGQUIT or SIGHUP, then exit with 0. Made to be the first process
of a container.

Usage: client pause

Example:
  kubectl run debug --image=client:v1 -- pause
  kubectl exec debug -- /client get http://backend-svc:8000/api/items
";
