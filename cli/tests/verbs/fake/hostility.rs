//! A service that makes the fake's answers hostile, whatever they are: it works on the bytes of every message.

use std::{
    collections::HashMap,
    convert::Infallible,
    sync::{Arc, LazyLock, Mutex},
    task::{Context, Poll},
};

use bytes::{BufMut as _, Bytes, BytesMut};
use http_body::Frame;
use http_body_util::BodyExt as _;
use prost::Message as _;
use prost_reflect::{DescriptorPool, DynamicMessage, MapKey, MessageDescriptor, ReflectMessage as _, Value};
use swarm_proto::{FILE_DESCRIPTOR_SET, call::status, reason::Reason, refusal::Details};
use tonic::{
    Code, Status,
    body::Body,
    codegen::{BoxFuture, Service, http},
    server::NamedService,
};

use super::World;

/// Sets a title, clears the screen, does both again with C1 characters, goes back over the line, turns the writing
/// around, and forges a line.
pub const HOSTILE: &str =
    "\u{1b}]0;owned\u{7}\u{1b}[2J\u{9b}2J\u{9d}0;x\u{9c}\rx\u{8}\u{7f}\u{202e}\u{2066}\u{2028}\nFORGED";

/// What the fake does to its answers.
#[derive(Clone, Debug, Default)]
pub enum Hostility {
    #[default]
    None,
    /// Every text for people is hostile, empty ones too; ids and names by which swarmctl goes on are as they were.
    Words,
    /// The same, and what tasks printed.
    WordsAndOutputs,
    /// Every text is hostile.
    Texts,
    /// Nothing is answered but this refusal.
    Refuses(Reason),
    /// Nothing is answered but this code, and a text.
    Fails(Code),
}

static POOL: LazyLock<DescriptorPool> =
    LazyLock::new(|| DescriptorPool::decode(FILE_DESCRIPTOR_SET).unwrap());

/// See the module.
#[derive(Clone)]
pub struct Hostile<S> {
    pub inner: S,
    pub world: Arc<Mutex<World>>,
}

impl<S: NamedService> NamedService for Hostile<S> {
    const NAME: &'static str = S::NAME;
}

impl<S> Service<http::Request<Body>> for Hostile<S>
where
    S: Service<http::Request<Body>, Response = http::Response<Body>, Error = Infallible>,
    S::Future: Send + 'static,
{
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<http::Response<Body>, Infallible>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let hostility = {
            let mut world = self.world.lock().unwrap();
            world.calls.push(request.uri().path().to_owned());
            world.hostility.clone()
        };
        let refusal = match &hostility {
            Hostility::None => return Box::pin(self.inner.call(request)),
            Hostility::Refuses(reason) => Some(refusal(*reason)),
            Hostility::Fails(code) => Some(Status::new(*code, HOSTILE)),
            Hostility::Words | Hostility::WordsAndOutputs | Hostility::Texts => None,
        };
        if let Some(status) = refusal {
            return Box::pin(std::future::ready(Ok(status.into_http())));
        }
        let answer = answer_of(request.uri().path());
        let answered = self.inner.call(request);
        Box::pin(async move {
            let answered = answered.await?;
            let Some(answer) = answer else {
                return Ok(answered);
            };
            Ok(answered.map(|body| {
                Body::new(body.map_frame(move |frame| match frame.into_data() {
                    Ok(messages) => Frame::data(each(&messages, &answer, &hostility)),
                    Err(trailers) => trailers,
                }))
            }))
        })
    }
}

fn refusal(reason: Reason) -> Status {
    let fault = swarm_proto::refusal::FieldFault {
        field: HOSTILE.to_owned(),
        description: HOSTILE.to_owned(),
    };
    let details = Details {
        faults: vec![fault],
        metadata: [("oldest_seq", HOSTILE.to_owned())].into(),
        ..Details::default()
    };
    status(reason, HOSTILE, details)
}

/// The type of the answers of `/swarm.v1.TaskService/GetTask`; nothing for services of others.
fn answer_of(path: &str) -> Option<MessageDescriptor> {
    let (service, method) = path.strip_prefix('/')?.split_once('/')?;
    let service = POOL.get_service_by_name(service)?;
    let method = service.methods().find(|known| known.name() == method)?;
    Some(method.output())
}

/// Changes each message of a frame. Each has five bytes before it: whether it is compressed, and its length.
fn each(mut frame: &[u8], descriptor: &MessageDescriptor, hostility: &Hostility) -> Bytes {
    let mut changed = BytesMut::new();
    while let Some((head, rest)) = frame.split_at_checked(5) {
        let length = u32::from_be_bytes(head[1..].try_into().unwrap()) as usize;
        let (message, rest) = rest.split_at(length);
        let mut message = DynamicMessage::decode(descriptor.clone(), message).unwrap();
        turn(&mut message, hostility);
        changed.put_u8(0);
        changed.put_u32(message.encoded_len() as u32);
        message.encode(&mut changed).unwrap();
        frame = rest;
    }
    assert!(frame.is_empty(), "a frame ends within a message");
    changed.freeze()
}

fn turn(message: &mut DynamicMessage, hostility: &Hostility) {
    for field in message.descriptor().fields() {
        // A page token that is not empty asks for another page.
        if field.name() == "next_page_token" || field.supports_presence() && !message.has_field(&field) {
            continue;
        }
        let is_name = field.name().ends_with("_id")
            || ["history", "kind", "state", "key"].contains(&field.name())
            || ["swarm.v1.Agent.name", "swarm.v1.Queue.name"].contains(&field.full_name());
        if is_name && !matches!(hostility, Hostility::Texts) {
            continue;
        }
        turn_value(message.get_field_mut(&field), hostility);
    }
}

fn turn_value(value: &mut Value, hostility: &Hostility) {
    match value {
        Value::String(text) => text.push_str(HOSTILE),
        Value::Bytes(bytes) if !matches!(hostility, Hostility::Words) => {
            *bytes = [bytes.as_ref(), HOSTILE.as_bytes()].concat().into();
        }
        Value::Message(message) => turn(message, hostility),
        Value::List(items) => items.iter_mut().for_each(|item| turn_value(item, hostility)),
        Value::Map(entries) => {
            let turned: HashMap<MapKey, Value> = std::mem::take(entries)
                .into_iter()
                .map(|(key, mut value)| {
                    turn_value(&mut value, hostility);
                    match key {
                        MapKey::String(key) => (MapKey::String(key + HOSTILE), value),
                        other => (other, value),
                    }
                })
                .collect();
            *entries = turned;
        }
        _ => {}
    }
}
