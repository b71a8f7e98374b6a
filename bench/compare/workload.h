#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "bench/compare/peer.h"

namespace bench {

/// What is asked of every peer alike.
struct Workload {
    std::string name;
    std::uint32_t threads = 1;
    bool durable = true;
    bool async = false;               ///< a thread doesn't wait for a commit before the next
    std::uint32_t records = 1;        ///< of a commit
    std::uint32_t segments_each = 1;  ///< over how many segments a commit's records go
    std::uint32_t payload_bytes = 100;
    std::uint32_t segments = 1000;  ///< of the store
};

const std::vector<Workload>& workloads();

/// One peer at one workload, once.
struct Measured {
    double commits_per_second = 0;
    double p50_us = 0;  ///< of a commit; 0 where nobody waits for one
    double p99_us = 0;
    double p999_us = 0;
    double device_bytes_per_byte = 0;  ///< written by the device for each byte of payload
    double flushes_per_commit = 0;     ///< of the device
};

/// Runs for so long, beside nothing else. Whatever was written has reached the disk at the end.
Measured measure(const PeerKind& kind, const Workload& workload, double seconds);

/// The median of each figure.
Measured median_of(const std::vector<Measured>& rounds);

}  // namespace bench
