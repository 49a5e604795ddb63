//! Tables where one overrides another key by key.

/// Defines a struct that holds the value read for each key.
macro_rules! layer {
    ($(#[$doc:meta])* $vis:vis struct $name:ident { $($key:ident: $value:ty,)+ }) => {
        $(#[$doc])*
        #[derive(Debug, Clone)]
        $vis struct $name {
            $($key: Read<$value>,)+
        }

        impl $name {
            /// Creates a table without keys.
            $vis fn silent() -> Self {
                Self { $($key: Read::Absent,)+ }
            }

            /// Lays this table over `base`.
            $vis fn overriding(self, base: Self) -> Self {
                Self { $($key: self.$key.overriding(base.$key),)+ }
            }
        }
    };
}
pub(super) use layer;
