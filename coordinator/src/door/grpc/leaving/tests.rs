use tokio::{io::DuplexStream, time::timeout};

use super::{super::arriving::Whole, *};
use crate::core::{budget::Budget, meters::Meters};

const ANSWER_BYTES: usize = 100_000;

const PATH: &str = "/swarm.v1.TaskService/GetTask";

/// What the answers of a test share.
#[derive(Clone)]
struct Scene {
    budget: Arc<Part>,
    meters: Arc<Meters>,
}

impl Scene {
    fn new(budget: Arc<Part>) -> Scene {
        Scene {
            budget,
            meters: Arc::default(),
        }
    }

    /// How often a call ended in each way.
    fn codes(&self) -> Vec<(&'static str, u64)> {
        self.meters
            .calls()
            .next()
            .map_or(Vec::new(), |(_, calls)| calls.by_code().collect())
    }
}

/// Answers each call with some bytes, until the peer is given up.
async fn serve(wire: DuplexStream, scene: Scene) {
    let server = h2::server::Builder::new().handshake::<_, Piece>(wire);
    let mut connection = server.await.unwrap();
    let peer = Peer::alone(&Budget::of(0));
    loop {
        let accepted = tokio::select! {
            accepted = connection.accept() => accepted,
            () = peer.wire.given_up.notified() => return,
        };
        let Some(Ok((_, respond))) = accepted else { return };
        let body = Body::new(Whole(Some(vec![0; ANSWER_BYTES].into())));
        let (scene, peer) = (scene.clone(), Arc::clone(&peer));
        tokio::spawn(async move {
            let leaving = Leaving {
                call: Call::begin(Arc::clone(&scene.meters), PATH),
                kind: Kind::Message,
                budget: &scene.budget,
                peer: &peer,
            };
            leaving.send(http::Response::new(body), respond).await;
        });
    }
}

type Wire = h2::client::Connection<DuplexStream, Bytes>;

/// A call of a peer that lets so many bytes come, over a wire that takes so many.
async fn call(scene: &Scene, window: u32, wire: usize) -> (h2::client::ResponseFuture, Wire) {
    let (near, far) = tokio::io::duplex(wire);
    tokio::spawn(serve(far, scene.clone()));
    let client = h2::client::Builder::new()
        .initial_window_size(window)
        .initial_connection_window_size(1 << 20)
        .handshake::<_, Bytes>(near);
    let (client, connection) = client.await.unwrap();
    let request = http::Request::get("http://test/").body(()).unwrap();
    let (answer, _) = client.ready().await.unwrap().send_request(request, true).unwrap();
    (answer, connection)
}

/// The answer to such a call.
async fn answer(scene: &Scene, window: u32) -> h2::RecvStream {
    let (answer, connection) = call(scene, window, 1 << 20).await;
    tokio::spawn(connection);
    answer.await.unwrap().into_body()
}

/// Lets everything happen that does not wait for a timer.
async fn settle() {
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_of_which_nothing_is_taken_ends_and_gives_its_room_back() {
    let scene = Scene::new(Budget::of(0).answers);
    let mut body = answer(&scene, 1).await;
    assert_eq!(body.data().await.unwrap().unwrap().len(), 1);
    assert_eq!(scene.budget.used(), ANSWER_BYTES as u64);
    let ended = timeout(ANSWER_PATIENCE * 2, body.data());
    let error = ended.await.expect("it ends").unwrap().unwrap_err();
    assert_eq!(error.reason(), Some(Reason::CANCEL));
    assert_eq!(scene.budget.used(), 0);
    assert_eq!(scene.codes(), [("CANCELLED", 1)]);
}

#[tokio::test(start_paused = true)]
async fn an_answer_is_sent_as_its_peer_takes_it() {
    let scene = Scene::new(Budget::of(0).answers);
    let mut body = answer(&scene, 1000).await;
    let mut taken = 0;
    while let Some(piece) = body.data().await {
        let piece = piece.unwrap().len();
        taken += piece;
        body.flow_control().release_capacity(piece).unwrap();
    }
    assert_eq!(taken, ANSWER_BYTES);
    assert_eq!(scene.budget.used(), 0);
    assert_eq!(scene.codes(), [("OK", 1)]);
}

/// An answer that h2 has, on its way to a peer that takes nothing from the wire.
async fn untaken(scene: &Scene) -> (h2::client::ResponseFuture, Wire) {
    // Room for the first frames of both sides.
    let (answer, mut connection) = call(scene, 1 << 20, 1000).await;
    // It reads until the answer has begun, and nothing any more.
    poll_fn(|cx| {
        if scene.budget.used() > 0 {
            return Poll::Ready(());
        }
        assert!(Pin::new(&mut connection).poll(cx).is_pending());
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
    settle().await;
    assert_eq!(scene.codes(), [("OK", 1)], "it is with h2");
    assert_eq!(scene.budget.used(), ANSWER_BYTES as u64);
    (answer, connection)
}

/// The same, of which h2 was given the last part when the peer had taken the first.
async fn untaken_last_part(scene: &Scene) -> (h2::RecvStream, Wire) {
    const WINDOW: u32 = 60_000;
    let (mut answer, mut connection) = call(scene, WINDOW, 1000).await;
    let answered = poll_fn(|cx| {
        assert!(Pin::new(&mut connection).poll(cx).is_pending());
        Pin::new(&mut answer).poll(cx)
    });
    let mut body = answered.await.unwrap().into_body();
    poll_fn(|cx| {
        if scene.codes() == [("OK", 1)] {
            return Poll::Ready(());
        }
        assert!(Pin::new(&mut connection).poll(cx).is_pending());
        while let Poll::Ready(Some(piece)) = body.poll_data(cx) {
            let taken = piece.unwrap().len();
            body.flow_control().release_capacity(taken).unwrap();
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
    settle().await;
    assert_eq!(scene.budget.used(), ANSWER_BYTES as u64, "some of it is with h2");
    (body, connection)
}

/// Takes the room of an answer that h2 has, and sees that it does not come to its end.
async fn assert_is_given_up(scene: &Scene, connection: Wire, body: impl Future<Output = h2::RecvStream>) {
    let other = scene.budget.take(60_000).expect("there is room for others");
    settle().await;
    drop(other);
    assert_eq!(scene.budget.used(), 0);
    tokio::spawn(connection);
    let mut body = body.await;
    let is_cut_off = loop {
        match body.data().await {
            Some(Ok(_)) => {}
            ended => break ended.is_some(),
        }
    };
    assert!(is_cut_off);
}

#[tokio::test(start_paused = true)]
async fn what_h2_has_is_given_up_for_others_with_its_connection() {
    let scene = Scene::new(Arc::new(Part::impatient(130_000)));
    let (answer, connection) = untaken(&scene).await;
    let body = async { answer.await.unwrap().into_body() };
    assert_is_given_up(&scene, connection, body).await;
}

#[tokio::test(start_paused = true)]
async fn so_is_what_h2_was_given_in_parts() {
    let scene = Scene::new(Arc::new(Part::impatient(130_000)));
    let (body, connection) = untaken_last_part(&scene).await;
    assert_is_given_up(&scene, connection, async { body }).await;
}

#[tokio::test(start_paused = true)]
async fn what_h2_has_is_given_back_with_the_connection() {
    let scene = Scene::new(Budget::of(0).answers);
    drop(untaken(&scene).await);
    settle().await;
    assert_eq!(scene.budget.used(), 0);
}

#[tokio::test]
async fn an_answer_without_room_is_counted_as_the_refusal_that_is_sent() {
    let scene = Scene::new(Arc::new(Part::impatient(1)));
    let (answer, connection) = call(&scene, 1 << 20, 1 << 20).await;
    tokio::spawn(connection);
    assert!(answer.await.unwrap().headers().contains_key("grpc-status"));
    assert_eq!(scene.codes(), [("RESOURCE_EXHAUSTED", 1)]);
    let refused: Vec<_> = scene.meters.refusals().filter(|(_, count)| *count > 0).collect();
    assert_eq!(refused, [("BUSY", 1)]);
}
