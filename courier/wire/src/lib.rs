//! What courier and appliance say to each other.
