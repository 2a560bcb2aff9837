//! What a PKCS#11 module says when it fails, in the words its manual uses.
//!
//! The binding prints a return value as the paragraph the standard has on it; an operator looks for CKR_ names.

use std::fmt;

use cryptoki::error::Error as CkError;

/// An error of a PKCS#11 module: the return value and the function that gave it.
#[derive(Debug)]
pub struct ModuleError(pub(crate) CkError);

impl fmt::Display for ModuleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&describe_ref(&self.0))
    }
}
impl std::error::Error for ModuleError {}

/// `PinIncorrect` as `_PIN_INCORRECT`.
fn snake(camel: &str) -> String {
    let mut snake = String::with_capacity(camel.len() + 8);
    for letter in camel.chars() {
        if letter.is_ascii_uppercase() {
            snake.push('_');
        }
        snake.push(letter.to_ascii_uppercase());
    }
    snake
}

/// An error of a module in one line.
pub(crate) fn describe_ref(error: &CkError) -> String {
    match error {
        CkError::Pkcs11(code, function) => {
            let function = format!("{function:?}");
            format!(
                "CKR{} from C_{}",
                snake(&format!("{code:?}")),
                function.trim_start_matches("Function::")
            )
        }
        other => other.to_string(),
    }
}

/// The same for an error that goes no further.
#[expect(
    clippy::needless_pass_by_value,
    reason = "stands where a function of the error itself is wanted"
)]
pub(crate) fn describe(error: CkError) -> String {
    describe_ref(&error)
}

#[cfg(test)]
mod tests {
    use cryptoki::context::Function;
    use cryptoki::error::RvError;

    use super::*;

    #[test]
    fn codes_have_the_names_of_the_standard() {
        let name = |code, function| describe(CkError::Pkcs11(code, function));
        assert_eq!(
            name(RvError::PinIncorrect, Function::Login),
            "CKR_PIN_INCORRECT from C_Login"
        );
        assert_eq!(
            name(RvError::GeneralError, Function::GetTokenInfo),
            "CKR_GENERAL_ERROR from C_GetTokenInfo"
        );
        assert!(
            name(RvError::VendorDefined(0x8000_0001), Function::Sign)
                .starts_with("CKR_VENDOR_DEFINED(2147483649)")
        );
    }
}
