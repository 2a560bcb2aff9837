//! A look over the shoulder: tests kill the process before an effect, the product does nothing.

/// Told before every effect. A test kills the process there; the product passes `()`.
pub trait Watch {
    /// What is done next.
    fn step(&mut self, what: &str);
}

impl Watch for () {
    fn step(&mut self, _: &str) {}
}

impl<W: Watch + ?Sized> Watch for &mut W {
    fn step(&mut self, what: &str) {
        (**self).step(what);
    }
}
