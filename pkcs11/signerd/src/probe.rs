//! How many sessions a token is signed with, learnt by trying.
//!
//! Only the token can show how many signatures it makes best at the same time: a soft token one for each core, a network HSM
//! thirty. Where the configuration does not say, a lane begins with one for each core. While signatures wait, twice as many
//! are tried for half a second, between two half seconds with as many as before; they are kept when they make a quarter
//! more signatures than either, and then it goes on. Otherwise it is left for a while: the token may be another one by then, or
//! its neighbours quieter. No signature is made for the trial's sake.

use std::time::{Duration, Instant};

/// How long each part of a trial lasts at least.
const WINDOW: Duration = Duration::from_millis(500);
/// How long a part of a trial may last: who makes fewer signatures than [`ENOUGH`] in that time cannot be judged.
const LONGEST: Duration = Duration::from_secs(10);
/// What was asked for before a change is not counted after it.
const SETTLE: Duration = Duration::from_millis(100);
/// Signatures that a rate is judged by.
const ENOUGH: u64 = 64;
/// How much more must be made.
const GAIN: f64 = 1.25;
/// How long a lane is left alone after a trial that brought nothing.
const REST: Duration = Duration::from_mins(5);

/// The trials of one lane.
#[derive(Debug)]
pub(crate) struct Probe {
    /// What was learnt so far.
    width: usize,
    part: Part,
    /// When the part began.
    since: Instant,
    /// From when on its signatures are counted, and how many had been made then.
    counted_from: Instant,
    made: u64,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Part {
    /// As many as were learnt.
    Before,
    /// So many more, with the rate before.
    Trial(usize, f64),
    /// As many as were learnt, once more: what was tried, the rate before, the rate in the trial.
    After(usize, f64, f64),
    /// Nothing is tried.
    Rest,
}

impl Probe {
    /// Of a lane that begins with `width` sessions.
    pub(crate) fn new(width: usize, now: Instant) -> Self {
        Self {
            width,
            part: Part::Before,
            since: now,
            counted_from: now,
            made: 0,
        }
    }

    /// Looks at a lane: how many signatures it has made so far, whether any wait, and how many sessions it may have at most.
    /// Gives how many to sign with from now on, when that changes. To be called some fifty times a second.
    pub(crate) fn look(&mut self, now: Instant, made: u64, is_waiting: bool, most: usize) -> Option<usize> {
        let elapsed = now.saturating_duration_since(self.since);
        match self.part {
            Part::Rest => {
                if elapsed >= REST {
                    self.begin(Part::Before, now, made);
                }
                return None;
            }
            Part::Trial(wanted, _) | Part::After(wanted, ..) if wanted > most => {
                // The token has turned out to have fewer.
                self.begin(Part::Before, now, made);
                return Some(self.width);
            }
            Part::Trial(..) | Part::After(..) if elapsed < SETTLE => {
                self.count_from(now, made);
                return None;
            }
            // As many as were learnt are judged by what they make when they have enough to do.
            Part::After(..) if !is_waiting && elapsed >= LONGEST => {
                self.begin(Part::Rest, now, made);
                return None;
            }
            Part::Before | Part::After(..) if !is_waiting => {
                self.count_from(now, made);
                return None;
            }
            _ => {}
        }
        let counted = now.saturating_duration_since(self.counted_from);
        let count = made.saturating_sub(self.made);
        if counted < WINDOW || (count < ENOUGH && counted < LONGEST) {
            return None;
        }
        self.next(
            (count >= ENOUGH).then(|| per_second(count, counted)),
            now,
            made,
            most,
        )
    }

    /// From one part to the next, with the rate of the one; nothing when it made too few.
    fn next(&mut self, rate: Option<f64>, now: Instant, made: u64, most: usize) -> Option<usize> {
        match (self.part, rate) {
            (Part::Before, Some(rate)) => {
                let wanted = (self.width * 2).min(most);
                if wanted <= self.width {
                    self.begin(Part::Rest, now, made);
                    return None;
                }
                self.begin(Part::Trial(wanted, rate), now, made);
                Some(wanted)
            }
            (Part::Before, None) => {
                self.begin(Part::Before, now, made);
                None
            }
            (Part::Trial(wanted, before), rate) => {
                self.begin(Part::After(wanted, before, rate.unwrap_or(0.0)), now, made);
                Some(self.width)
            }
            (Part::After(wanted, before, trial), Some(rate)) if trial >= GAIN * before.max(rate) => {
                self.width = wanted;
                self.begin(Part::Before, now, made);
                Some(wanted)
            }
            (Part::After(..) | Part::Rest, _) => {
                self.begin(Part::Rest, now, made);
                None
            }
        }
    }

    fn begin(&mut self, part: Part, now: Instant, made: u64) {
        self.part = part;
        self.since = now;
        self.count_from(now, made);
    }

    fn count_from(&mut self, now: Instant, made: u64) {
        self.counted_from = now;
        self.made = made;
    }
}

#[expect(clippy::cast_precision_loss, reason = "a rate")]
fn per_second(count: u64, elapsed: Duration) -> f64 {
    count as f64 / elapsed.as_secs_f64()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A token that makes `each` signatures a second in a session, in at most `places` at the same time, and gives at most
    /// `most` sessions. Gives the sessions after `seconds`, and how often they changed.
    fn learnt(
        probe: &mut Probe,
        start: Instant,
        (each, places, most): (usize, usize, usize),
        seconds: u32,
        is_waiting: impl Fn(u32) -> bool,
    ) -> (usize, u32) {
        let (mut width, mut changes, mut made) = (probe.width, 0, 0.0);
        for tick in 1..=seconds * 50 {
            let rate = u32::try_from(each * width.min(places)).unwrap_or(0);
            made += f64::from(rate) / 50.0;
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "small")]
            let so_far = made as u64;
            let now = start + tick * Duration::from_millis(20);
            if let Some(wanted) = probe.look(now, so_far, is_waiting(tick), most) {
                width = wanted;
                changes += 1;
            }
        }
        (width, changes)
    }

    fn always(_: u32) -> bool {
        true
    }

    #[test]
    fn a_token_of_many_places_gets_as_many_sessions() {
        let now = Instant::now();
        let mut probe = Probe::new(2, now);
        // 4, 8, 16 and 32 are tried and kept, 64 are tried.
        assert_eq!(
            learnt(&mut probe, now, (500, 32, 64), 20, always),
            (32, 4 * 3 + 2)
        );
    }

    #[test]
    fn a_quarter_more_is_enough_and_less_is_not() {
        let now = Instant::now();
        let mut probe = Probe::new(16, now);
        assert_eq!(
            learnt(&mut probe, now, (100, 21, 32), 20, always).0,
            32,
            "31 % more"
        );
        let mut probe = Probe::new(16, now);
        assert_eq!(
            learnt(&mut probe, now, (100, 19, 32), 20, always).0,
            16,
            "19 % more"
        );
    }

    #[test]
    fn a_token_with_fewer_sessions_gets_what_there_are() {
        let now = Instant::now();
        let mut probe = Probe::new(8, now);
        assert_eq!(learnt(&mut probe, now, (500, 64, 11), 20, always).0, 11);
        // Found out in the middle of a trial.
        let mut probe = Probe::new(8, now);
        let at = |milliseconds| now + Duration::from_millis(milliseconds);
        assert_eq!(probe.look(at(600), 600, true, 64), Some(16));
        assert_eq!(probe.look(at(620), 620, true, 11), Some(8));
        assert_eq!(probe.look(at(1300), 1400, true, 11), Some(11));
    }

    #[test]
    fn a_token_of_a_place_for_each_core_keeps_one_for_each() {
        let now = Instant::now();
        let mut probe = Probe::new(2, now);
        assert_eq!(
            learnt(&mut probe, now, (600, 2, 64), 60, always),
            (2, 2),
            "tried once"
        );
        let later = now + Duration::from_mins(1);
        let again = learnt(&mut probe, later, (600, 2, 64), 360, always);
        assert_eq!(again.1, 2, "tried again after a rest");
    }

    #[test]
    fn nothing_is_tried_without_load_nor_beyond_what_was_configured() {
        let now = Instant::now();
        let never = |_| false;
        assert_eq!(
            learnt(&mut Probe::new(2, now), now, (500, 32, 64), 60, never),
            (2, 0)
        );
        assert_eq!(
            learnt(&mut Probe::new(30, now), now, (500, 32, 30), 60, always),
            (30, 0)
        );
        let sometimes = |tick| tick % 10 > 0;
        let load = learnt(&mut Probe::new(2, now), now, (500, 32, 64), 60, sometimes);
        assert_eq!(load, (2, 0), "never half a second in which somebody waits");
    }

    #[test]
    fn a_token_too_slow_to_judge_is_left_alone() {
        let now = Instant::now();
        assert_eq!(
            learnt(&mut Probe::new(1, now), now, (2, 64, 64), 60, always),
            (1, 0)
        );
    }

    #[test]
    fn a_trial_whose_load_ended_counts_for_nothing() {
        let now = Instant::now();
        let mut probe = Probe::new(2, now);
        let at = |milliseconds| now + Duration::from_millis(milliseconds);
        assert_eq!(probe.look(at(600), 600, true, 64), Some(4));
        assert_eq!(probe.look(at(700), 700, true, 64), None);
        assert_eq!(probe.look(at(1300), 1800, true, 64), Some(2));
        for milliseconds in (1400..20_000).step_by(20) {
            assert_eq!(probe.look(at(milliseconds), 1800, false, 64), None);
        }
        assert_eq!((probe.width, probe.part), (2, Part::Rest));
    }
}
