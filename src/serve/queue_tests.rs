use super::*;
use crate::model::generation::Skill;

fn generation(completion: &str) -> (Digest, Generation) {
    let generation = Generation {
        format: crate::model::format::GENERATION.to_owned(),
        instance_id: "i".to_owned(),
        skill: Skill::Repair,
        completion: Some(completion.to_owned()),
        reasoning_content: None,
        messages: None,
        model: None,
        sampling: None,
        prompt_id: None,
        index: 0,
    };
    (generation.id(), generation)
}

fn flag() -> Arc<AtomicBool> {
    Arc::default()
}

/// What a waiter is told, if anything.
fn told(ticket: &Ticket) -> Option<Code> {
    ticket.outcome.borrow().as_ref().map(|outcome| outcome.as_ref().unwrap_err().code)
}

fn failure() -> Outcome {
    Err(Unanswered::new(Code::Internal, "told"))
}

#[test]
fn equal_questions_are_worked_on_once_and_everybody_is_told() {
    let queue = Arc::new(Queue::new(2));
    let tickets = queue.ask(vec![generation("a"), generation("b"), generation("a")]).unwrap();
    let later = queue.ask(vec![generation("a")]).unwrap();
    assert_eq!(queue.depth(), Depth { waiting: 2, running: 0 });
    let job = queue.take(&flag()).unwrap();
    assert_eq!(job.generation.completion.as_deref(), Some("a"));
    queue.finish(&job, Duration::from_millis(1), failure());
    let found: Vec<_> = tickets.iter().chain(&later).map(told).collect();
    assert_eq!(found, [Some(Code::Internal), None, Some(Code::Internal), Some(Code::Internal)]);
    assert_eq!(queue.depth(), Depth { waiting: 1, running: 0 });
}

#[test]
fn a_full_queue_takes_all_of_a_batch_or_none_and_says_when_to_come_back() {
    let queue = Arc::new(Queue::new(2));
    let _first = queue.ask(vec![generation("a")]).unwrap();
    let error = queue.ask(vec![generation("b"), generation("c")]).unwrap_err();
    assert_eq!((error.code, error.retry_after_s), (Code::QueueFull, Some(1)));
    assert_eq!(queue.depth().waiting, 1);
    let _known = queue.ask(vec![generation("a"), generation("b")]).unwrap();
    let error = queue.ask(vec![generation("d"), generation("e"), generation("f")]).unwrap_err();
    assert_eq!((error.code, error.retryable), (Code::TooLarge, false));
}

#[test]
fn a_question_that_nobody_waits_for_leaves_the_queue_or_its_worker() {
    let queue = Arc::new(Queue::new(9));
    let (first, second) = (queue.ask(vec![generation("a")]).unwrap(), queue.ask(vec![generation("a")]).unwrap());
    let waiting = queue.ask(vec![generation("b")]).unwrap();
    let cancel = flag();
    let job = queue.take(&cancel).unwrap();
    drop(first);
    assert!(!cancel.load(Ordering::SeqCst), "somebody still waits");
    drop(second);
    assert!(cancel.load(Ordering::SeqCst));
    drop(waiting);
    assert_eq!(queue.depth(), Depth { waiting: 0, running: 1 });

    // Asked anew while the first is on its way out: another job, which the old one's end does not touch.
    let again = queue.ask(vec![generation("a")]).unwrap();
    queue.finish(&job, Duration::from_millis(1), failure());
    assert!(!cancel.load(Ordering::SeqCst), "the flag is lowered for the worker's next job");
    assert_eq!(told(&again[0]), None);
    assert_eq!(queue.take(&cancel).unwrap().id, again[0].job.id);
}

#[test]
fn a_stopped_queue_ends_what_runs_and_tells_those_who_wait_to_come_back() {
    let queue = Arc::new(Queue::new(9));
    let tickets = queue.ask(vec![generation("a"), generation("b")]).unwrap();
    let cancel = flag();
    let job = queue.take(&cancel).unwrap();
    queue.stop();
    assert!(cancel.load(Ordering::SeqCst));
    assert_eq!(told(&tickets[1]), Some(Code::ShuttingDown));
    assert!(queue.take(&cancel).is_none());
    queue.finish(&job, Duration::from_millis(1), Err(shutting_down()));
    assert_eq!(told(&tickets[0]), Some(Code::ShuttingDown));
    assert_eq!(queue.ask(vec![generation("c")]).unwrap_err().code, Code::ShuttingDown);
}
