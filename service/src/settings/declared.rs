//! Settings that are each stated once: what a field sets is said by its documentation, which is its line of `--help` as well.

/// Declares a struct of settings, and how it is read: for each field its type, the [`Environment`]'s way to read it, and what
/// that takes besides the documentation: the variable's name, its default, and its bounds. A `part` reads itself. What the struct is by
/// default is what holds where no variable is set.
///
/// [`Environment`]: crate::settings::environment::Environment
#[macro_export]
macro_rules! settings {
    ($(#[$meta:meta])* pub struct $struct:ident {
        $($(#[doc = $about:literal])+ $field:ident: $type:ty = $read:ident($($how:tt)*);)+
    }) => {
        $(#[$meta])*
        pub struct $struct {
            $($(#[doc = $about])+ pub $field: $type,)+
        }

        impl $struct {
            /// Reads the settings, in the order of the fields.
            pub fn read(environment: &mut $crate::settings::environment::Environment) -> Self {
                $(let $field = $crate::settings!(@ environment, concat!($($about),+).trim_ascii(), $read, $($how)*) as $type;)+
                Self { $($field),+ }
            }
        }

        impl Default for $struct {
            fn default() -> Self {
                Self::read(&mut $crate::settings::environment::Environment::new(&|_| None))
            }
        }
    };
    (@ $from:ident, $about:expr, part, $read:path) => {
        $read($from)
    };
    (@ $from:ident, $about:expr, $read:ident, $name:literal) => {
        $from.$read($name, $about)
    };
    (@ $from:ident, $about:expr, $read:ident, $name:literal, $default:literal $(, $bound:expr)*) => {
        $from.$read($crate::settings::environment::Variable::new($name, $default, $about) $(, $bound)*)
    };
}
