//! Heartbeats: they renew leases, and wait for orders.

use std::time::Duration;

use swarm_engine::{
    command::renew::{self, Directive, Renew},
    rejection::Rejection,
};

use super::{Answer, Core, witness::Missing};

impl Core {
    /// Renews leases, and waits up to `wait` for an order when there is none. `missing` is what the agent has seen, and
    /// the journal does not have.
    ///
    /// # Errors
    ///
    /// The renewal's rejection; also when the session is replaced while the call is parked.
    pub async fn heartbeat(
        &self,
        request: Renew,
        mut wait: Duration,
        missing: Option<Missing>,
    ) -> Result<Answer<Vec<Directive>>, Rejection> {
        let (result, as_of, parked) = {
            let mut locked = self.lock();
            let result = locked.decide(|draft| renew::decide(draft, &request));
            let nothing = matches!(&result, Ok(directives) if directives.iter().all(Directive::is_continue));
            // A drained agent gives back what it holds at its deadline.
            let (give_back, now) = (locked.state.gives_back_at(&request.agent), self.clock.now());
            if let Some(at) = give_back.filter(|at| *at > now) {
                wait = wait.min(at - now);
            }
            let parked = (nothing && !wait.is_zero()).then(|| locked.parked.park(request.agent.clone()));
            (result, locked.release(), parked)
        };
        if let (Ok(_), Some(missing)) = (&result, missing) {
            self.agent_saw(&request.agent, missing);
        }
        let Some(parked) = parked else {
            self.until_durable(as_of).await;
            return result.map(|value| Answer { value, as_of });
        };
        // An order, the end of the wait, and a newer call all end the wait; the answer says what holds by then.
        let _ = tokio::time::timeout(wait, parked).await;
        let now = self.clock.now();
        let answer = self.read(|state| renew::directives(state, &request, now)).await;
        self.lock().parked.tidy(&request.agent);
        answer.value.map(|value| Answer {
            value,
            as_of: answer.as_of,
        })
    }
}
