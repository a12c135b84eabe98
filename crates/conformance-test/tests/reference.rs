//! The project's CPU reference as cargo test cases, the way a backend's own repository has them.

worker_conformance_test::suite!(
    worker_conformance_test::built("worker_mock"),
    profile = "../../fixtures/profiles/mock.yaml",
    level = Strict,
);
