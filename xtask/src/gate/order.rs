//! In which order steps run, and which beside one another.
//!
//! In: stages, which follow one another; each has lanes, which run side by side; each lane has steps, which
//! follow one another. Out: what became of each step. What a step is asked to do is its own matter.

use std::thread;

/// Lanes, which run side by side.
pub type Stage<S> = Vec<Vec<S>>;

/// Has the steps done, also after one has failed; what became of them is in the stages' order. `alone`: each
/// by itself, so that nothing is measured beside something else.
pub fn run<S: Sync, D: Send>(
    stages: &[Stage<S>],
    alone: bool,
    work: impl Fn(&S) -> D + Sync,
) -> Vec<D> {
    let lane = |steps: &[S]| steps.iter().map(&work).collect::<Vec<_>>();
    let stage = |lanes: &Stage<S>| {
        if alone {
            return lanes.iter().flat_map(|steps| lane(steps)).collect();
        }
        thread::scope(|scope| {
            let begun: Vec<_> = lanes
                .iter()
                .map(|steps| scope.spawn(|| lane(steps)))
                .collect();
            let ended = begun.into_iter().map(|lane| match lane.join() {
                Ok(done) => done,
                Err(panic) => std::panic::resume_unwind(panic),
            });
            ended.flatten().collect::<Vec<_>>()
        })
    };
    stages.iter().flat_map(stage).collect()
}

/// What is left of stages where some steps are chosen: none that is empty.
pub fn chosen<S: Clone>(stages: &[&[&[S]]], is_chosen: impl Fn(&S) -> bool) -> Vec<Stage<S>> {
    let lane = |steps: &&[S]| -> Vec<S> {
        let chosen = steps.iter().filter(|step| is_chosen(step));
        chosen.cloned().collect()
    };
    let stage = |lanes: &&[&[S]]| -> Stage<S> {
        let lanes = lanes.iter().map(lane);
        lanes.filter(|lane| !lane.is_empty()).collect()
    };
    let stages = stages.iter().map(stage);
    stages.filter(|stage| !stage.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;
    use std::thread;

    use super::{chosen, run};

    const STAGES: [&[&[u32]]; 3] = [&[&[1, 2]], &[&[3, 4], &[5]], &[&[6]]];

    #[test]
    fn lanes_run_side_by_side_and_are_told_in_order() {
        let stages = chosen(&STAGES, |_| true);
        // Neither of the two goes on before the other has come.
        let meeting = Barrier::new(2);
        let done = run(&stages, false, |step| {
            if matches!(step, 3 | 5) {
                meeting.wait();
            }
            step * 10
        });
        assert_eq!(done, [10, 20, 30, 40, 50, 60]);
    }

    #[test]
    fn alone_means_one_at_a_time() {
        let stages = chosen(&STAGES, |_| true);
        let by = run(&stages, true, |_| thread::current().id());
        assert_eq!(by, [thread::current().id(); 6]);
    }

    #[test]
    fn what_is_not_chosen_leaves_nothing_empty() {
        assert_eq!(
            chosen(&STAGES, |step| [4, 6].contains(step)),
            [vec![vec![4]], vec![vec![6]]]
        );
    }
}
