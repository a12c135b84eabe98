// SPDX-License-Identifier: Apache-2.0 OR MIT
/// Injected faults strike where they should, and only there.

#ifdef WORKER_CUDA_FAULTS

#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <string>

#include "device.hpp"
#include "device_buffer.hpp"
#include "kernels.hpp"

namespace worker::test {
namespace {

using fault::Kind;
using fault::Scope;
using fault::Site;

class Faults : public testing::Test {
   protected:
    void TearDown() override {
        unsetenv("WORKER_CUDA_FAULTS");
        unsetenv("WORKER_CUDA_FAULTS_FILE");
    }
};

/// Which kinds strike at `site`, as letters: Allocation, Launch, Execution, Residency.
std::string struck(const char* faults, Site site, std::int64_t token = -1) {
    setenv("WORKER_CUDA_FAULTS", faults, 1);
    const Scope scope(site, token);
    std::string letters;
    for (const auto& [kind, letter] :
         {std::pair{Kind::Allocation, 'A'}, {Kind::Launch, 'L'}, {Kind::Execution, 'E'}, {Kind::Residency, 'R'}}) {
        if (fault::strikes(kind)) letters += letter;
    }
    return letters;
}

TEST_F(Faults, EachStrikesItsOwnSite) {
    const struct {
        const char* fault;
        const char* start;
        const char* token;
        const char* residency;
        const char* health;
    } table[] = {
        {"kv_alloc", "A", "", "", ""},    {"kernel_launch", "", "L", "", ""},
        {"kernel_exec", "", "E", "", ""}, {"oom", "", "A", "", ""},
        {"residency", "", "", "R", ""},   {"device_sick", "", "", "", "LE"},
        {"nonsense", "", "", "", ""},     {"", "", "", "", ""},
    };
    for (const auto& row : table) {
        SCOPED_TRACE(row.fault);
        EXPECT_EQ(struck(row.fault, Site::Start), row.start);
        EXPECT_EQ(struck(row.fault, Site::Token, 0), row.token);
        EXPECT_EQ(struck(row.fault, Site::Residency), row.residency);
        EXPECT_EQ(struck(row.fault, Site::Health), row.health);
        EXPECT_EQ(struck(row.fault, Site::None), "");
    }
}

TEST_F(Faults, ATokenFaultStrikesOnlyThatIndex) {
    EXPECT_EQ(struck("kernel_launch@token=3, residency", Site::Token, 2), "");
    EXPECT_EQ(struck("kernel_launch@token=3, residency", Site::Token, 3), "L");
}

TEST_F(Faults, ACountedFaultClears) {
    std::string all;
    for (int i = 0; i < 4; ++i) all += struck("oom@token=41:times=2", Site::Token, 41) + ".";
    EXPECT_EQ(all, "A.A...");
}

TEST_F(Faults, WordsThatMeanNothingAreIgnored) {
    for (const char* text : {"oom@token=x", "oom:times=", "oom@other=1", "oom:times=-1", ",,  ,"})
        EXPECT_EQ(struck(text, Site::Token, 0), "");
}

TEST_F(Faults, OutsideOfAScopeNothingStrikes) {
    setenv("WORKER_CUDA_FAULTS", "oom,kv_alloc,kernel_launch", 1);
    EXPECT_FALSE(fault::strikes(Kind::Allocation));
    {
        const Scope outer(Site::Start);
        {
            const Scope inner(Site::Token, 0);
            EXPECT_TRUE(fault::strikes(Kind::Launch));
        }
        EXPECT_FALSE(fault::strikes(Kind::Launch));
        EXPECT_TRUE(fault::strikes(Kind::Allocation));
    }
    EXPECT_FALSE(fault::strikes(Kind::Allocation));
}

TEST_F(Faults, AFileIsReadAnewInEachScope) {
    const std::string path = testing::TempDir() + "worker_cuda_faults";
    setenv("WORKER_CUDA_FAULTS_FILE", path.c_str(), 1);
    std::string seen;
    for (const char* content : {"", "kernel_exec\n", ""}) {
        std::ofstream(path) << content;
        const Scope scope(Site::Token, 0);
        seen += fault::strikes(Kind::Execution) ? "1" : "0";
    }
    std::remove(path.c_str());
    EXPECT_EQ(seen, "010");
}

TEST_F(Faults, StruckCallsFailAndWorkAgainAfterwards) {
    const DeviceBuffer<std::uint32_t> out(4);
    setenv("WORKER_CUDA_FAULTS", "kernel_launch kernel_exec oom residency", 1);
    {
        const Scope scope(Site::Token, 7);
        EXPECT_EQ(kernels::probe(out.get(), 4, 1, nullptr), cudaErrorLaunchOutOfResources);
        EXPECT_EQ(device::synchronize(nullptr), cudaErrorLaunchFailure);
        void* memory = &memory;
        EXPECT_EQ(device::allocate(&memory, 16), cudaErrorMemoryAllocation);
        EXPECT_EQ(memory, nullptr);
    }
    cudaPointerAttributes attributes;
    {
        const Scope scope(Site::Residency);
        check(device::attributes(&attributes, out.get()));
        EXPECT_EQ(attributes.type, cudaMemoryTypeHost);
    }
    unsetenv("WORKER_CUDA_FAULTS");
    const Scope scope(Site::Token, 7);
    check(kernels::probe(out.get(), 4, 1, nullptr));
    check(device::synchronize(nullptr));
    check(device::attributes(&attributes, out.get()));
    EXPECT_EQ(attributes.type, cudaMemoryTypeDevice);
}

}  // namespace
}  // namespace worker::test

#endif
