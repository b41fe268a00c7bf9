//! The tables that `build.rs` writes from `data/` and the ZIP data (GeoNames, CC BY 4.0).

include!(concat!(env!("OUT_DIR"), "/places.rs"));
