//! One fault, as a line of the control file tells it.
//!
//! A line is the name of a PKCS#11 function (`*` for all that can fail) and words: where (`token=LABEL`, `slot=NUMBER`), what
//! (`code=CKR_…` or `code=0x…`, `hang`, `delay=MILLISECONDS`, `exit=STATUS`, `abort`, `removed`, `wrong`, `made=CKR_…`, `half=CKR_…`,
//! `attribute=0x…:OCTETS`), how often (`times=N`, for ever when left out) and from which call on (`after=N`). Lines that begin with
//! `#` say nothing.

use std::sync::atomic::{AtomicU64, Ordering};

use cryptoki_sys::{CK_ATTRIBUTE_TYPE, CK_RV, CK_SLOT_ID};

use crate::codes;

/// What happens in place of the call, or with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// It is answered with this code and not made.
    Answer(CK_RV),
    /// It does not return as long as the line is in the file.
    Hang,
    /// It is made so many milliseconds later.
    Delay(u64),
    /// The process ends with this status.
    Exit(i32),
    /// The process is aborted.
    Abort,
    /// The device is out of its slot.
    Removed,
    /// It is made, and one bit of the signature is wrong.
    Wrong,
    /// It is made, and answered with this code all the same.
    Made(CK_RV),
    /// A pair of keys is made, its public key is gone, and the call is answered with this code.
    Half(CK_RV),
    /// It is made, and an attribute has this value in what it answers.
    Attribute(CK_ATTRIBUTE_TYPE, Vec<u8>),
}

/// A fault and how often it was met.
#[derive(Debug)]
pub(crate) struct Rule {
    /// The line itself, by which a rule is known when the file is read again.
    pub(crate) line: String,
    function: String,
    token: Option<String>,
    slot: Option<CK_SLOT_ID>,
    action: Action,
    times: u64,
    after: u64,
    met: AtomicU64,
}

impl Rule {
    /// Reads a line; the error says what it does not understand.
    pub(crate) fn parse(line: &str) -> Result<Self, String> {
        let mut words = line.split_whitespace();
        let function = words.next().unwrap_or_default().to_owned();
        let mut rule = Self {
            line: line.to_owned(),
            function,
            token: None,
            slot: None,
            action: Action::Delay(0),
            times: u64::MAX,
            after: 0,
            met: AtomicU64::new(0),
        };
        for word in words {
            let (name, value) = word.split_once('=').unwrap_or((word, ""));
            let unknown = || format!("{word:?} is not understood in {line:?}");
            match name {
                "token" => rule.token = Some(value.to_owned()),
                "slot" => rule.slot = Some(value.parse().map_err(|_| unknown())?),
                "times" => rule.times = value.parse().map_err(|_| unknown())?,
                "after" => rule.after = value.parse().map_err(|_| unknown())?,
                "code" => rule.action = Action::Answer(codes::value(value).ok_or_else(unknown)?),
                "hang" => rule.action = Action::Hang,
                "delay" => rule.action = Action::Delay(value.parse().map_err(|_| unknown())?),
                "exit" => rule.action = Action::Exit(value.parse().map_err(|_| unknown())?),
                "abort" => rule.action = Action::Abort,
                "removed" => rule.action = Action::Removed,
                "wrong" => rule.action = Action::Wrong,
                "made" => rule.action = Action::Made(codes::value(value).ok_or_else(unknown)?),
                "half" => rule.action = Action::Half(codes::value(value).ok_or_else(unknown)?),
                "attribute" => rule.action = attribute(value).ok_or_else(unknown)?,
                _ => return Err(unknown()),
            }
        }
        Ok(rule)
    }

    /// What this call meets, if the rule is about it. Counts it.
    pub(crate) fn meet(
        &self,
        function: &str,
        slot: Option<CK_SLOT_ID>,
        token: Option<&str>,
    ) -> Option<Action> {
        if !self.is_about(function, slot, token) {
            return None;
        }
        let place = self.met.fetch_add(1, Ordering::Relaxed);
        let is_due = place >= self.after && place - self.after < self.times;
        is_due.then(|| self.action.clone())
    }

    /// Whether the device in this slot is away.
    pub(crate) fn removes(&self, slot: CK_SLOT_ID, token: Option<&str>) -> bool {
        self.action == Action::Removed && self.is_here(Some(slot), token)
    }

    fn is_about(&self, function: &str, slot: Option<CK_SLOT_ID>, token: Option<&str>) -> bool {
        (self.function == "*" || self.function == function) && self.is_here(slot, token)
    }

    fn is_here(&self, slot: Option<CK_SLOT_ID>, token: Option<&str>) -> bool {
        self.slot.is_none_or(|wanted| slot == Some(wanted))
            && self.token.as_deref().is_none_or(|wanted| token == Some(wanted))
    }
}

/// `0x103:00` as an attribute and its value.
fn attribute(text: &str) -> Option<Action> {
    let (kind, value) = text.split_once(':')?;
    let kind = CK_ATTRIBUTE_TYPE::from_str_radix(kind.strip_prefix("0x")?, 16).ok()?;
    let octets = value
        .as_bytes()
        .chunks(2)
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok())
        .collect::<Option<Vec<u8>>>()?;
    Some(Action::Attribute(kind, octets))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn met(rule: &Rule, token: &str) -> Option<Action> {
        rule.meet("C_Sign", Some(7), Some(token))
    }

    #[test]
    fn a_rule_is_met_where_and_as_often_as_it_says() -> Result<(), String> {
        let rule = Rule::parse("C_Sign token=left code=CKR_DEVICE_ERROR after=1 times=2")?;
        assert_eq!(met(&rule, "right"), None);
        assert_eq!(rule.meet("C_Login", Some(7), Some("left")), None);
        let answer = Some(Action::Answer(0x30));
        let seen: Vec<_> = (0..4).map(|_| met(&rule, "left")).collect();
        assert_eq!(seen, [None, answer.clone(), answer, None]);
        Ok(())
    }

    #[test]
    fn every_action_is_read_and_nonsense_is_not() -> Result<(), String> {
        for (words, action) in [
            ("code=0x80000001", Action::Answer(0x8000_0001)),
            ("hang", Action::Hang),
            ("delay=5", Action::Delay(5)),
            ("exit=3", Action::Exit(3)),
            ("abort", Action::Abort),
            ("wrong", Action::Wrong),
            ("made=CKR_DEVICE_ERROR", Action::Made(0x30)),
            ("half=CKR_DEVICE_ERROR", Action::Half(0x30)),
            ("attribute=0x103:00", Action::Attribute(0x103, vec![0])),
        ] {
            assert_eq!(Rule::parse(&format!("C_Sign {words}"))?.action, action);
        }
        assert!(Rule::parse("* slot=7 removed")?.removes(7, None));
        for words in [
            "code=CKR_NONSENSE",
            "hangs",
            "times=often",
            "made=often",
            "attribute=0x103:0g",
        ] {
            assert!(Rule::parse(&format!("C_Sign {words}")).is_err(), "{words}");
        }
        Ok(())
    }
}
