//! Agents with every field set.

use swarm_engine::{
    id::{Session, SessionToken},
    noun::{
        agent::{Agent, AgentLoss},
        needs::Executor,
        process::{Process, Twin},
        rules::Rules,
    },
    time::Timestamp,
};

use super::{agent_id, labels};

/// An agent that runs prompts too.
pub(in crate::stored) fn gifted_agent() -> Agent {
    Agent {
        executors: [Executor::Command, Executor::Prompt].into(),
        ..agent()
    }
}

/// An agent that said goodbye a while after its registration.
pub(in crate::stored) fn left_agent() -> Agent {
    Agent {
        changed: Timestamp(1_699_999_500_000),
        ..agent()
    }
}

/// An agent whose owner lets it run some programs.
pub(super) fn strict_agent() -> Agent {
    Agent {
        rules: Rules::programs(&["git", "/opt/tools/*"]),
        ..agent()
    }
}

/// An agent that is lost for its silence.
pub(super) fn lost_agent() -> Agent {
    Agent {
        token: Some(SessionToken([0xD0; 16])),
        gone: false,
        lost: Some(AgentLoss::Silent),
        ..agent()
    }
}

/// An agent that says where it runs, and a copy of which was refused.
pub(super) fn copied_agent() -> Agent {
    Agent {
        process: Some(Process {
            host: "lab-2".into(),
            place: "5f0c7f0e-2d6b-4a0e-9a55-1f0d7c1f3b61 2049 131074".into(),
        }),
        twin: Some(Twin {
            host: "lab-2-copy".into(),
            refused: Timestamp(1_700_000_000_000),
        }),
        ..agent()
    }
}

/// An agent whose session ends with the history of events.
pub(super) fn agent_of_a_history() -> Agent {
    Agent {
        history: "h4t9zd".into(),
        ..agent()
    }
}

pub(in crate::stored) fn agent() -> Agent {
    Agent {
        executors: [Executor::Command].into(),
        rules: Rules::Everything,
        id: agent_id(),
        name: "Lab, second shelf".into(),
        labels: labels(),
        slots: 8,
        version: "0.1.0".into(),
        session: Session(5),
        history: "".into(),
        token: None,
        registered: Timestamp(1_699_999_000_000),
        gone: true,
        lost: None,
        // As in records from before this was kept.
        changed: Timestamp(1_699_999_000_000),
        process: None,
        twin: None,
    }
}
