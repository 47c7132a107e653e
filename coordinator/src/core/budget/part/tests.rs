use super::*;

const PATIENCE: Duration = Duration::from_secs(2);

fn part(limit: u64) -> Arc<Part> {
    Arc::new(Part::new("answers", limit))
}

#[tokio::test(start_paused = true)]
async fn a_part_takes_as_much_as_its_limit_and_again_what_was_given_back() {
    let part = part(100);
    let mut first = part.take(60).unwrap();
    assert!(first.grow_within(PATIENCE, 40).await);
    assert!(part.take(1).is_none() && !first.grow_within(PATIENCE, 1).await);
    assert_eq!((part.used(), part.refused()), (100, 2));
    drop(first);
    assert_eq!(part.used(), 0);
    assert!(part.take(100).is_some());
}

#[tokio::test(start_paused = true)]
async fn who_has_waited_long_is_given_up_for_others_and_who_has_just_begun_is_not() {
    let told = Arc::<Waited>::default();
    let begun = part(100);
    let mut young = begun.take(90).unwrap();
    young.wait_for_peer(&told);
    assert!(begun.take(20).is_none());

    let part = Arc::new(Part::impatient(100));
    let mut slow = part.take(90).unwrap();
    slow.wait_for_peer(&told);
    let quick = part.take(20).unwrap();
    assert_eq!(part.used(), 20);
    timeout(PATIENCE, told.given_up.notified())
        .await
        .expect("it is told");
    assert!(!slow.grow_within(PATIENCE, 1).await && !slow.peer_has_come());
    drop((slow, quick));
    assert_eq!(part.used(), 0);
}

#[test]
fn who_takes_slowly_is_spared_while_others_take_nothing_and_not_for_ever() {
    let part = Arc::new(Part::impatient(100));
    let peers = [Arc::<Waited>::default(), Arc::default()];
    let mut holds = [part.take(40).unwrap(), part.take(40).unwrap()];
    for (hold, peer) in holds.iter_mut().zip(&peers) {
        hold.wait_for_peer(peer);
    }
    let [mut slow, mut deaf] = holds;
    peers[0].note_taken(1);
    let _other = part.take(50).unwrap();
    assert!(!deaf.peer_has_come());
    peers[0].note_taken(1);
    assert!(part.take(20).is_none());
    // It has taken nothing more.
    assert!(part.take(20).is_some() && !slow.peer_has_come());

    let part = Arc::new(Part {
        slow_is_safe_for: Duration::ZERO,
        ..Part::impatient(100)
    });
    let mut slow = part.take(90).unwrap();
    slow.wait_for_peer(&peers[0]);
    peers[0].note_taken(1);
    assert!(part.take(20).is_some() && !slow.peer_has_come());
}

#[test]
fn a_wait_goes_on_for_somebody_else_unless_it_was_given_up() {
    let part = Arc::new(Part::impatient(100));
    let (first, second) = (Arc::<Waited>::default(), Arc::<Waited>::default());
    let mut slow = part.take(90).unwrap();
    slow.wait_for_peer(&first);
    assert!(slow.wait_instead_for(&second));
    let _other = part.take(20).unwrap();
    let is_told = |peer: &Waited| {
        let mut told = std::pin::pin!(peer.given_up.notified());
        told.as_mut().enable()
    };
    assert!(is_told(&second) && !is_told(&first));
    assert!(!slow.wait_instead_for(&first));
}

#[test]
fn nobody_is_given_up_when_that_would_not_be_enough() {
    let part = Arc::new(Part::impatient(100));
    let _busy = part.take(70).unwrap();
    let mut slow = part.take(20).unwrap();
    slow.wait_for_peer(&Arc::default());
    assert!(part.take(80).is_none());
    assert!(slow.peer_has_come());
    assert_eq!(part.used(), 90);
}

#[test]
fn what_is_small_has_room_though_large_things_have_filled_the_rest() {
    let part = part(80 * SMALL_BYTES);
    let large: Vec<Hold> = std::iter::from_fn(|| part.take(2 * SMALL_BYTES)).collect();
    assert_eq!(large.len(), 35);
    assert!(part.take(SMALL_BYTES).is_some());
}

/// Waits for room in the background; gives whether there was some.
async fn taker(part: &Arc<Part>, bytes: u64) -> tokio::task::JoinHandle<Option<Hold>> {
    let part = Arc::clone(part);
    let taker = tokio::spawn(async move { part.take_within(PATIENCE, bytes).await });
    tokio::task::yield_now().await;
    taker
}

#[tokio::test(start_paused = true)]
async fn a_taker_waits_for_room_and_not_for_ever() {
    let part = part(100);
    let held = part.take(100).unwrap();
    let taker = taker(&part, 50).await;
    drop(held);
    assert!(taker.await.unwrap().is_some());
    let _held = part.take(100).unwrap();
    assert!(part.take_within(PATIENCE, 1).await.is_none());
}

#[tokio::test(start_paused = true)]
async fn a_taker_that_does_not_fit_lets_others_pass() {
    let part = part(100);
    let (_busy, held) = (part.take(60).unwrap(), part.take(40).unwrap());
    let (large, small) = (taker(&part, 50).await, taker(&part, 30).await);
    drop(held);
    assert!(small.await.unwrap().is_some());
    assert!(large.await.unwrap().is_none());
    assert_eq!(part.used(), 60);
}

#[tokio::test(start_paused = true)]
async fn one_room_given_back_serves_all_that_fit_and_what_is_given_up_does_so_too() {
    let part = Arc::new(Part::impatient(100));
    let mut slow = part.take(100).unwrap();
    let (first, second) = (taker(&part, 40).await, taker(&part, 40).await);
    slow.wait_for_peer(&Arc::default());
    assert!(part.take(10).is_some());
    assert!(first.await.unwrap().is_some() && second.await.unwrap().is_some());
}
