//! One connection to the store that all share: commands are written as they come, without waiting for the replies before
//! them, and the replies come in the same order. A store that syncs its file before it answers so syncs once for many.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, lookup_host};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{sleep, timeout};

use crate::address::Address;
use crate::resp::{Value, decode, encode};
use crate::task::spawn;
use crate::unavailable::{Unavailable, has_moved};

/// Commands that wait to be written; further ones wait for room, as long as they wait for anything.
const QUEUED: usize = 64;
/// Commands that wait for a reply.
const UNANSWERED: usize = 1024;
/// Addresses of the store's name that are tried.
const MOST_ADDRESSES: usize = 16;
/// A key that nobody has.
const NOTHING: &[u8] = b"nothing:is:ever:here";
/// The least room that is read into.
const READ_BYTES: usize = 4096;

/// An open connection, ready for commands. Cheap to clone; closed when the last clone is dropped.
#[derive(Debug, Clone)]
pub(crate) struct Session {
    requests: mpsc::Sender<Request>,
    patience: Duration,
    /// What this program runs there.
    scripts: &'static [&'static str],
    /// The digest of each, in their order.
    digests: Arc<[Vec<u8>]>,
}

#[derive(Debug)]
struct Request {
    command: Vec<u8>,
    reply: oneshot::Sender<Value>,
}

/// The reply to a command, once it is there.
pub type Answer = Pin<Box<dyn Future<Output = Result<Value, Unavailable>> + Send>>;

impl Session {
    /// Connects to `address`, says the password, chooses the database and hands over every script. Each step has `patience`
    /// to end, and so has each address of the name; except the lookup of the name: one that is given up would go on without an
    /// asker, on a thread of its own.
    pub(crate) async fn open(
        address: &Address,
        patience: Duration,
        scripts: &'static [&'static str],
    ) -> Result<Self, Unavailable> {
        let unreachable = |error: std::io::Error| Unavailable::Unreachable(error.to_string());
        let passwords = address.password.read().map_err(|error| Unavailable::Password(error.to_string()))?;
        let addresses = lookup_host((address.host.as_str(), address.port)).await.map_err(unreachable)?;
        let stream = connect(addresses.take(MOST_ADDRESSES), patience).await?;
        // Commands are written whole; a failure shows in the first of them.
        let _ = stream.set_nodelay(true);
        let (requests, receiver) = mpsc::channel(QUEUED);
        spawn(serve(stream, receiver, patience));
        let mut session = Self { requests, patience, scripts, digests: Arc::default() };
        session.authenticate(address.user.as_deref(), &passwords).await?;
        session.ask(&[b"SELECT", address.database.to_string().as_bytes()]).await?;
        session.check().await?;
        let mut digests = Vec::new();
        for script in scripts {
            match session.ask(&[b"SCRIPT", b"LOAD", script.as_bytes()]).await? {
                Value::Text(digest) => digests.push(digest),
                other => return Err(Unavailable::Refused(format!("SCRIPT LOAD answers {other:?}"))),
            }
        }
        session.digests = digests.into();
        Ok(session)
    }

    /// Says the user and the first of `passwords` that is accepted.
    async fn authenticate(&self, user: Option<&str>, passwords: &[Vec<u8>]) -> Result<(), Unavailable> {
        let mut answer = Ok(());
        for (number, password) in passwords.iter().enumerate() {
            let command: Vec<&[u8]> =
                [Some(&b"AUTH"[..]), user.map(str::as_bytes), Some(password)].into_iter().flatten().collect();
            answer = match self.ask(&command).await {
                Ok(_) if number > 0 => {
                    tracing::info!("store: it takes the password without the line end that ends the Secret");
                    return Ok(());
                }
                Ok(_) => return Ok(()),
                Err(refused @ Unavailable::Password(_)) => Err(refused),
                Err(other) => return Err(other),
            };
        }
        answer
    }

    /// Asks whether writes are taken here, without writing: a replica refuses to delete even what is not there. Any other
    /// refusal, such as that of a full disk, is an answer: each command meets its own.
    ///
    /// # Errors
    /// Where the connection is of no use any more.
    pub(crate) async fn check(&self) -> Result<(), Unavailable> {
        match self.ask(&[b"DEL", NOTHING]).await {
            Err(failure @ Unavailable::Unreachable(_)) => Err(failure),
            _ => Ok(()),
        }
    }

    /// Runs the `script` at this place with `arguments`; `key` is its key, or what its keys begin with.
    ///
    /// # Errors
    /// As [`Session::ask`].
    pub(crate) async fn run(&self, script: usize, key: &[u8], arguments: &[&[u8]]) -> Result<Value, Unavailable> {
        let call = |name: &'static [u8], text| [&[name, text, b"1", key], arguments].concat();
        let digest = &self.digests[script];
        match self.ask(&call(b"EVALSHA", digest)).await {
            // Not run, so that it can be run now; from then on it is known again.
            Err(Unavailable::Refused(error)) if error.starts_with("NOSCRIPT") => {
                self.ask(&call(b"EVAL", self.scripts[script].as_bytes())).await
            }
            answer => answer,
        }
    }

    /// Sends `command` and waits for its reply. In a box: what asks often has room for one question at a time.
    ///
    /// # Errors
    /// Where the reply is an error, or none comes in time.
    pub(crate) fn ask(&self, command: &[&[u8]]) -> Answer {
        let (requests, patience) = (self.requests.clone(), self.patience);
        let mut bytes = Vec::new();
        encode(command, &mut bytes);
        Box::pin(async move {
            let (reply, answered) = oneshot::channel();
            let asked = async {
                requests.send(Request { command: bytes, reply }).await.ok()?;
                answered.await.ok()
            };
            match timeout(patience, asked).await {
                Ok(Some(Value::Error(error))) => Err(Unavailable::of(&error)),
                Ok(Some(value)) => Ok(value),
                Ok(None) => Err(Unavailable::Unreachable("the connection has ended".to_owned())),
                Err(_) => Err(late(patience)),
            }
        })
    }

    /// Ends when the connection does.
    pub(crate) async fn ended(&self) {
        self.requests.closed().await;
    }
}

/// Connects to the first of `addresses` that accepts within `patience` of its own.
async fn connect(addresses: impl Iterator<Item = SocketAddr>, patience: Duration) -> Result<TcpStream, Unavailable> {
    let mut failure = Unavailable::Unreachable("its name has no address".to_owned());
    for address in addresses {
        failure = match timeout(patience, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(error)) => Unavailable::Unreachable(format!("{address}: {error}")),
            Err(_) => late(patience),
        };
    }
    Err(failure)
}

pub(crate) fn late(patience: Duration) -> Unavailable {
    Unavailable::Unreachable(format!("no answer within {} ms", patience.as_millis()))
}

/// Writes requests and reads replies until either side has ended. Who waits then learns it by the dropped end of its channel.
async fn serve(stream: TcpStream, mut requests: mpsc::Receiver<Request>, patience: Duration) {
    let (mut reader, mut writer) = stream.into_split();
    let mut unanswered = VecDeque::new();
    let (mut input, mut output) = (Vec::new(), Vec::new());
    loop {
        input.reserve(READ_BYTES);
        tokio::select! {
            request = requests.recv(), if unanswered.len() < UNANSWERED => {
                let Some(request) = request else { return };
                let others = std::iter::from_fn(|| requests.try_recv().ok());
                for request in std::iter::once(request).chain(others.take(QUEUED)) {
                    output.extend(request.command);
                    unanswered.push_back(request.reply);
                }
                let Ok(Ok(())) = timeout(patience, writer.write_all(&output)).await else { return };
                output.clear();
            }
            read = reader.read_buf(&mut input) => {
                let Ok(1..) = read else { return };
                let mut taken = 0;
                loop {
                    match decode(&input[taken..]) {
                        Ok(Some((value, length))) => {
                            let Some(reply) = unanswered.pop_front() else { return };
                            let moved = matches!(&value, Value::Error(error) if has_moved(error));
                            // Who asked may have given up.
                            let _: Result<(), Value> = oneshot::Sender::send(reply, value);
                            if moved {
                                return;
                            }
                            taken += length;
                        }
                        Ok(None) => break,
                        Err(_) => return,
                    }
                }
                input.drain(..taken);
            }
            // No asker has waited for longer, and none can come before there is an answer.
            () = sleep(patience), if unanswered.len() >= UNANSWERED => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use proptest::test_runner::{Config, TestRunner};
    use testing::redis::Redis;

    use super::*;
    use crate::password::Password;

    const PATIENCE: Duration = Duration::from_secs(20);
    const WRITES: &[&str] = &["return redis.call('SET', KEYS[1], ARGV[1])"];

    async fn open(redis: &Redis) -> Session {
        Session::open(&target(redis), PATIENCE, WRITES).await.unwrap()
    }

    fn target(redis: &Redis) -> Address {
        let host = "127.0.0.1".to_owned();
        Address { host, port: redis.port, database: 3, user: None, password: Password::None }
    }

    /// Whatever the bytes, however they are split on the wire: each asker gets its own reply.
    #[test]
    fn any_bytes_come_back_to_who_sent_them() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let redis = Redis::start(&[]);
        let connection = runtime.block_on(open(&redis));
        let bytes = proptest::collection::vec(any::<u8>(), 0..3000);
        let many = proptest::collection::vec(bytes, 1..100);
        let mut runner = TestRunner::new(Config { failure_persistence: None, ..Config::with_cases(30) });
        let result = runner.run(&many, |many| {
            runtime.block_on(async {
                let asked: Vec<_> =
                    many.into_iter().map(|bytes| tokio::spawn(echo(connection.clone(), bytes))).collect();
                for asked in asked {
                    prop_assert!(asked.await.unwrap());
                }
                Ok(())
            })
        });
        result.unwrap();
    }

    /// Whether `bytes` come back as they are.
    async fn echo(connection: Session, bytes: Vec<u8>) -> bool {
        connection.ask(&[b"ECHO", &bytes]).await == Ok(Value::Text(bytes))
    }

    #[tokio::test]
    async fn every_kind_of_reply_of_the_real_server_is_read() {
        let redis = Redis::start(&[]);
        let connection = open(&redis).await;
        let text = |text: &str| Value::Text(text.into());
        let (array, one) = (Value::Array, Value::Array(vec![Value::Integer(1)]));
        let field = array(vec![text("a"), text("1")]);
        for (command, expected) in [
            ("SET a 1", text("OK")),
            ("INCRBY a -3", Value::Integer(-2)),
            ("GET nothing", Value::Nil),
            ("LPOP nothing 2", Value::Nil),
            ("MGET a b", Value::Array(vec![text("-2"), Value::Nil])),
            ("EVAL return{{},{1}} 0", Value::Array(vec![Value::Array(vec![]), one])),
            ("XADD s 1-1 a 1", text("1-1")),
            ("XREAD STREAMS s 0", array(vec![array(vec![text("s"), array(vec![array(vec![text("1-1"), field])])])])),
        ] {
            let parts: Vec<&[u8]> = command.split(' ').map(str::as_bytes).collect();
            assert_eq!(connection.ask(&parts).await, Ok(expected), "{command}");
        }
        let refused = connection.ask(&[b"LPUSH", b"a", b"1"]).await.unwrap_err();
        assert!(matches!(&refused, Unavailable::Refused(why) if why.starts_with("WRONGTYPE")), "{refused:?}");
    }

    /// One that became a replica answers reads for ever, and its connections stay open.
    #[tokio::test]
    async fn a_write_that_a_replica_refuses_ends_the_connection_and_no_new_one_opens() {
        let redis = Redis::start(&[]);
        let connection = open(&redis).await;
        redis.ask("REPLICAOF 127.0.0.9 9");
        let refused = connection.run(0, b"a", &[b"1"]).await.unwrap_err();
        assert!(matches!(&refused, Unavailable::Unreachable(why) if why.starts_with("READONLY")), "{refused:?}");
        connection.ended().await;
        assert_eq!(Session::open(&target(&redis), PATIENCE, WRITES).await.unwrap_err(), refused_of(&redis));
        redis.ask("REPLICAOF NO ONE");
        open(&redis).await.check().await.unwrap();
    }

    /// What a replica says to a plain write.
    fn refused_of(redis: &Redis) -> Unavailable {
        Unavailable::of(redis.ask("DEL x").trim_end().trim_start_matches('-'))
    }

    #[tokio::test]
    async fn each_address_has_patience_of_its_own() {
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        // Its queue is full: the kernel drops what comes next.
        let silent = socket.listen(1).unwrap();
        let address = silent.local_addr().unwrap();
        let _queued: Vec<_> = (0..2).map(|_| std::net::TcpStream::connect(address).unwrap()).collect();
        let listener = std::net::TcpListener::bind("[::1]:0").unwrap();
        let next = listener.local_addr().unwrap();
        let patience = Duration::from_millis(100);
        let connected = connect([address, next].into_iter(), patience).await.unwrap();
        assert_eq!(connected.peer_addr().unwrap(), next);
    }

    /// A reply beyond every bound ends the connection, and whoever waits on it learns that.
    #[tokio::test]
    async fn too_long_a_reply_ends_the_connection() {
        let redis = Redis::start(&[]);
        let connection = open(&redis).await;
        connection.ask(&[b"SETRANGE", b"long", b"2000000", b"x"]).await.unwrap();
        assert!(matches!(connection.ask(&[b"GET", b"long"]).await, Err(Unavailable::Unreachable(_))));
        connection.ended().await;
    }

    /// Who shares the connection learns that it is of no use, and its task ends.
    #[tokio::test]
    async fn a_store_that_answers_nothing_is_not_waited_for_without_an_end() {
        let redis = Redis::start(&[]);
        let connection = Session::open(&target(&redis), Duration::from_secs(2), WRITES).await.unwrap();
        redis.signal("-STOP");
        let echoes =
            (0..2 * UNANSWERED).map(|number| tokio::spawn(echo(connection.clone(), number.to_string().into())));
        for asked in echoes.collect::<Vec<_>>() {
            assert!(!asked.await.unwrap());
        }
        let ended = timeout(PATIENCE, connection.ended()).await;
        redis.signal("-CONT");
        assert!(ended.is_ok(), "it is waited for");
    }

    /// What waits for a reply is bounded; further commands wait for their turn, and all are answered.
    #[tokio::test]
    async fn more_commands_than_may_wait_are_all_answered() {
        let redis = Redis::start(&[]);
        let connection = open(&redis).await;
        redis.signal("-STOP");
        let echoes =
            (0..2 * UNANSWERED).map(|number| tokio::spawn(echo(connection.clone(), number.to_string().into())));
        let asked: Vec<_> = echoes.collect();
        tokio::task::yield_now().await;
        redis.signal("-CONT");
        for asked in asked {
            assert!(asked.await.unwrap());
        }
    }
}
