//! Tables of which one overrides another key by key.

/// A struct of what was read for each key.
macro_rules! layer {
    ($(#[$doc:meta])* $vis:vis struct $name:ident { $($key:ident: $value:ty,)+ }) => {
        $(#[$doc])*
        #[derive(Debug, Clone)]
        $vis struct $name {
            $($key: Read<$value>,)+
        }

        impl $name {
            /// A table without keys.
            $vis fn silent() -> Self {
                Self { $($key: Read::Absent,)+ }
            }

            /// This table on top of another one.
            $vis fn overriding(self, base: Self) -> Self {
                Self { $($key: self.$key.overriding(base.$key),)+ }
            }
        }
    };
}
pub(super) use layer;
