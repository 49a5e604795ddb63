//! What a GPU says of itself: clocks, power, utilisation, energy.
