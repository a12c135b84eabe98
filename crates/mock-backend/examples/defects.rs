//! Lists the catalogue of defects, one a line: name, requirement and what it does, with tabs between.

use worker_mock::defect::Defect;

fn main() {
    for entry in Defect::ALL {
        println!("{}\t{}\t{}", entry.name, entry.requirement, entry.summary);
    }
}
