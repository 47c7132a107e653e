//! Every call, from bytes to its answer: the real handlers, engine, journal and store.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use prost::Message;
use swarm_coordinator::inside::{Inside, Layout};
use swarm_proto::v1::{
    ClaimRequest, ClaimResponse, CompleteRequest, DeregisterAgentRequest, HeartbeatRequest, LeaseRef,
    RegisterAgentResponse,
};
use tempfile::TempDir;
use tokio::runtime::Runtime;
use tonic::{Code, Status};

use crate::raw;

/// Calls of one input.
const MAX_CALLS: usize = 16;

/// After so many inputs it is another coordinator, which does not know what the ones before did.
const INPUTS: usize = 100;

/// A call that may not wait is answered within this time on any machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// A call that may wait is given up after this time, as by a caller that goes away.
const WAITED_FOR: Duration = Duration::from_millis(20);

/// Calls that may wait for something to happen.
const WAITING: [&str; 3] = ["/Claim", "/Heartbeat", "/StreamEvents"];

const LAYOUT: Layout = Layout {
    segment_bytes: 64 * 1024,
    keep_event_bytes: u64::MAX,
};

/// A coordinator, and what agents know of it.
struct World {
    inside: Option<Inside>,
    runtime: Runtime,
    methods: BTreeMap<u16, String>,
    session: u64,
    leases: BTreeMap<String, LeaseRef>,
    inputs: usize,
    // Last: it goes when nothing is written any more.
    _dir: TempDir,
}

static WORLD: Mutex<Option<World>> = Mutex::new(None);

/// Calls, each with the number of its method and its length before it, two bytes each.
pub(super) fn run(bytes: &[u8]) {
    let mut place = WORLD.lock().unwrap_or_else(PoisonError::into_inner);
    let world = world(&mut place);
    let mut rest = bytes;
    for _ in 0..MAX_CALLS {
        let Some((head, behind)) = rest.split_first_chunk::<4>() else {
            break;
        };
        let number = u16::from_le_bytes([head[0], head[1]]);
        let length = usize::from(u16::from_le_bytes([head[2], head[3]])).min(behind.len());
        let (body, behind) = behind.split_at(length);
        world.call(number, body);
        rest = behind;
    }
    if let Some(inside) = &world.inside
        && let Err(broken) = inside.check()
    {
        panic!("the state is not what it must be: {broken}");
    }
    world.inputs += 1;
    if world.inputs == INPUTS {
        // Dropped with the next one's start, or with the process.
        *place = None;
    }
}

/// The bytes of one call of an input.
///
/// # Panics
///
/// When it is longer than 64 KiB.
pub fn call(method: &str, request: &impl Message) -> Vec<u8> {
    let body = request.encode_to_vec();
    let length = u16::try_from(body.len()).expect("a call of an input is short");
    let mut bytes = method_number(method).to_le_bytes().to_vec();
    bytes.extend(length.to_le_bytes());
    bytes.extend(body);
    bytes
}

/// The number of a method: a hash, so that kept inputs mean the same when there are more methods.
pub fn method_number(method: &str) -> u16 {
    method.bytes().fold(0x811c, |hash: u16, byte| {
        (hash ^ u16::from(byte)).wrapping_mul(0x0193)
    })
}

fn world<'a>(place: &'a mut MutexGuard<'_, Option<World>>) -> &'a mut World {
    place.get_or_insert_with(|| {
        let dir = TempDir::new_in("/dev/shm")
            .or_else(|_| TempDir::new())
            .expect("a directory can be made");
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("threads can be started");
        let started = runtime.block_on(Inside::start(&dir.path().join("data"), LAYOUT));
        let methods: BTreeMap<u16, String> = raw::methods()
            .into_iter()
            .map(|method| (method_number(&method), method))
            .collect();
        assert_eq!(methods.len(), raw::methods().len(), "two methods have one number");
        World {
            inside: Some(started.unwrap_or_else(|failure| panic!("{failure}"))),
            runtime,
            methods,
            session: 0,
            leases: BTreeMap::new(),
            inputs: 0,
            _dir: dir,
        }
    })
}

impl World {
    fn call(&mut self, number: u16, body: &[u8]) {
        // The next one, so that every number is a method's.
        let method = self.methods.range(number..).chain(&self.methods).next();
        let method = method.expect("there are methods").1.clone();
        let body = self.filled(&method, body);
        let routes = self.inside.as_ref().expect("it is there until the end").routes();
        let may_wait = WAITING.iter().any(|waiting| method.ends_with(waiting));
        let patience = if may_wait { WAITED_FOR } else { PATIENCE };
        let answer = self
            .runtime
            .block_on(async { tokio::time::timeout(patience, raw::call(routes, &method, &body)).await });
        match answer {
            Ok(Ok(answer)) => self.note(&method, answer.unwrap_or_default().as_slice()),
            Ok(Err(status)) => assert!(is_refusal(&status), "{method} ended with {status:?}"),
            Err(_) => assert!(may_wait, "{method} is not answered"),
        }
    }

    /// Fills in tokens and sessions, which only this coordinator's agents can know, where an input leaves them out.
    fn filled(&self, method: &str, body: &[u8]) -> Vec<u8> {
        let session = |session: &mut u64| {
            if *session == 0 {
                *session = self.session;
            }
        };
        if method.ends_with("/Claim") {
            filled(body, |request: &mut ClaimRequest| session(&mut request.session))
        } else if method.ends_with("/Heartbeat") {
            filled(body, |request: &mut HeartbeatRequest| {
                session(&mut request.session);
                request.leases.iter_mut().for_each(|lease| self.fill(lease));
            })
        } else if method.ends_with("/Complete") {
            filled(body, |request: &mut CompleteRequest| {
                let leases = request
                    .results
                    .iter_mut()
                    .filter_map(|result| result.lease.as_mut());
                leases.for_each(|lease| self.fill(lease));
            })
        } else if method.ends_with("/DeregisterAgent") {
            filled(body, |request: &mut DeregisterAgentRequest| {
                session(&mut request.session);
            })
        } else {
            body.to_vec()
        }
    }

    fn fill(&self, lease: &mut LeaseRef) {
        if lease.lease_token.is_empty()
            && let Some(granted) = self.leases.get(&lease.task_id)
        {
            *lease = granted.clone();
        }
    }

    fn note(&mut self, method: &str, answer: &[u8]) {
        if method.ends_with("/RegisterAgent") {
            let answer = RegisterAgentResponse::decode(answer).expect("an answer is whole");
            self.session = answer.session;
        } else if method.ends_with("/Claim") {
            let answer = ClaimResponse::decode(answer).expect("an answer is whole");
            let granted = answer.assignments.into_iter().filter_map(|given| given.lease);
            self.leases
                .extend(granted.map(|lease| (lease.task_id.clone(), lease)));
        }
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if let Some(inside) = self.inside.take() {
            self.runtime.block_on(async {
                // A task of its own may block.
                let stopped = tokio::spawn(inside.stop()).await;
                assert!(stopped.is_ok() || std::thread::panicking(), "it stops in order");
            });
        }
    }
}

/// The request, changed; as it is when it is none.
fn filled<T: Message + Default>(body: &[u8], change: impl FnOnce(&mut T)) -> Vec<u8> {
    let Ok(mut request) = T::decode(body) else {
        return body.to_vec();
    };
    change(&mut request);
    request.encode_to_vec()
}

/// Whether a caller can cause this status.
fn is_refusal(status: &Status) -> bool {
    match status.code() {
        // Bytes that are no message: tonic refuses them in this way.
        Code::Internal => status.message().contains("decode"),
        Code::Unknown | Code::DataLoss | Code::Ok => false,
        _ => true,
    }
}
