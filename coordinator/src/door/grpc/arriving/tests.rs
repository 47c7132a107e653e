use swarm_proto::limits::MAX_MESSAGE_BYTES;
use tokio::{io::DuplexStream, sync::mpsc, time::timeout};

use super::*;
use crate::{
    core::budget::Part,
    program::limits::{READING_PART_OF_AN_ADDRESS, SMALL_BYTES},
};

#[test]
fn what_is_missing_is_known_behind_the_prefix() {
    let said = |bytes: &[u8]| missing(bytes, 10).map_err(|status| status.code());
    assert_eq!(said(&[]), Ok(None));
    assert_eq!(said(&[0, 0, 0, 0]), Ok(None));
    assert_eq!(said(&[0, 0, 0, 0, 0]), Ok(Some(0)));
    assert_eq!(said(&[0, 0, 0, 0, 10, 1]), Ok(Some(9)));
    assert_eq!(said(&[0, 0, 0, 0, 1, 1, 2]), Ok(Some(0)));
    assert_eq!(said(&[0, 0, 0, 0, 11]), Err(tonic::Code::OutOfRange));
}

const PATIENCE: std::time::Duration = std::time::Duration::from_secs(1);

/// Hands on what arrives of calls.
async fn accept(
    wire: DuplexStream,
    budget: Budget,
    peer: Arc<Peer>,
    arrived: mpsc::Sender<Result<Arrived, Refused>>,
) {
    let mut connection = h2::server::handshake(wire).await.unwrap();
    while let Some(Ok((request, respond))) = connection.accept().await {
        let (budget, peer, arrived) = (budget.clone(), Arc::clone(&peer), arrived.clone());
        tokio::spawn(async move {
            let (head, body) = request.into_parts();
            let method = Method::of(head.uri.path());
            let most = method.message_bytes().unwrap();
            let whole = whole(&head.headers, body, method, most, &budget, &peer).await;
            let _ = arrived.send(whole).await;
            drop(respond);
        });
    }
}

/// A call of which nothing but the headers is sent, and where it arrives.
async fn begin(budget: &Budget) -> (h2::SendStream<Bytes>, mpsc::Receiver<Result<Arrived, Refused>>) {
    begin_from(&Peer::alone(budget), budget).await
}

/// The same from somebody.
async fn begin_from(
    peer: &Arc<Peer>,
    budget: &Budget,
) -> (h2::SendStream<Bytes>, mpsc::Receiver<Result<Arrived, Refused>>) {
    let (near, far) = tokio::io::duplex(1 << 20);
    let (sender, arrived) = mpsc::channel(1);
    tokio::spawn(accept(far, budget.clone(), Arc::clone(peer), sender));
    let (client, connection) = h2::client::handshake(near).await.unwrap();
    tokio::spawn(connection);
    let request = http::Request::post("http://test/swarm.v1.TaskService/SubmitTasks");
    let request = request.header("name", "value").body(()).unwrap();
    let (_, body) = client
        .ready()
        .await
        .unwrap()
        .send_request(request, false)
        .unwrap();
    (body, arrived)
}

/// Lets everything happen that does not wait for a timer.
async fn settle() {
    for _ in 0..1_000 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_counts_from_its_headers_on_and_its_message_until_it_counts_as_read() {
    let budget = Budget::of(0);
    let (mut body, mut arrived) = begin(&budget).await;
    settle().await;
    let reading = budget.reading.used();
    assert!(reading > CALL_BYTES + HEADER_BYTES, "{reading}");

    let others = std::iter::from_fn(|| budget.decoding.take(SMALL_BYTES));
    let busy: Vec<Hold> = others.collect();
    let message = vec![0; 10_000];
    body.send_data(Bytes::from_static(&[0, 0, 0, 39, 16]), false)
        .unwrap();
    body.send_data(message.into(), true).unwrap();
    settle().await;
    assert!(arrived.try_recv().is_err(), "it waits for room");
    assert!(budget.reading.used() >= reading + 10_000);
    drop(busy);
    assert!(arrived.recv().await.unwrap().is_ok());
    assert_eq!(budget.reading.used(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_message_is_whole_when_its_stream_has_ended() {
    let budget = Budget::of(0);
    let (mut body, mut arrived) = begin(&budget).await;
    body.send_data(Bytes::from_static(&[0, 0, 0, 0, 0]), false)
        .unwrap();
    assert!(timeout(PATIENCE, arrived.recv()).await.is_err());
    body.send_data(Bytes::new(), true).unwrap();
    assert!(arrived.recv().await.unwrap().is_ok());
}

#[tokio::test(start_paused = true)]
async fn pieces_behind_a_message_are_not_waited_for_without_end() {
    let budget = Budget::of(0);
    let (mut body, mut arrived) = begin(&budget).await;
    body.send_data(Bytes::from_static(&[0, 0, 0, 0, 0]), false)
        .unwrap();
    for _ in 0..MAX_LATE_PIECES {
        body.send_data(Bytes::from_static(b"more"), false).unwrap();
    }
    assert!(arrived.recv().await.unwrap().is_ok());
}

/// All but the last byte of the largest message.
fn unfinished() -> Vec<u8> {
    let length = u32::try_from(MAX_MESSAGE_BYTES).unwrap().to_be_bytes();
    [&[0], &length[..], &vec![0; MAX_MESSAGE_BYTES - 1]].concat()
}

#[tokio::test(start_paused = true)]
async fn one_address_leaves_room_for_the_requests_of_others() {
    let budget = Budget::of(0);
    let (many, other) = (Peer::alone(&budget), Peer::alone(&budget));
    let unfinished = unfinished();
    let mut begun = Vec::new();
    for _ in 0..10 {
        let (mut body, arrived) = begin_from(&many, &budget).await;
        body.send_data(unfinished.clone().into(), false).unwrap();
        settle().await;
        begun.push((body, arrived));
    }
    assert!(budget.reading.used() <= budget.reading.limit() / READING_PART_OF_AN_ADDRESS);
    // It is refused what it does not have, and nobody had to wait for that.
    let (mut body, mut arrived) = begin_from(&other, &budget).await;
    body.send_data(unfinished.into(), false).unwrap();
    body.send_data(Bytes::from_static(&[0]), true).unwrap();
    settle().await;
    assert!(arrived.try_recv().unwrap().is_ok());
    let mut refused = 0;
    for (_body, mut arrived) in begun {
        if let Ok(Some(Err(status))) = timeout(2 * ROOM_PATIENCE, arrived.recv()).await {
            assert_eq!(status.code(), tonic::Code::ResourceExhausted);
            refused += 1;
        }
    }
    assert!(refused >= 8, "{refused} of 10");
}

#[tokio::test(start_paused = true)]
async fn what_is_given_up_for_the_same_address_is_told_and_counted_as_that() {
    let budget = Budget::of(0);
    let mut peer = Peer::alone(&budget);
    let limit = peer.reading.limit();
    Arc::get_mut(&mut peer).unwrap().reading = Arc::new(Part::impatient(limit));
    let mut begun = Vec::new();
    // There is no room for two of them.
    for _ in 0..2 {
        let (mut body, arrived) = begin_from(&peer, &budget).await;
        body.send_data(unfinished().into(), false).unwrap();
        settle().await;
        begun.push((body, arrived));
    }
    let Err(status) = begun[0].1.try_recv().unwrap() else {
        panic!("the first one has all that it needs");
    };
    assert!(status.message().contains("from this address"), "{status:?}");
    assert_eq!(budget.reading.refused(), 1);
}
