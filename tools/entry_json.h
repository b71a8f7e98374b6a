#pragma once

#include <braid/entry.hpp>
#include <span>
#include <vector>

#include "tools/output.h"

namespace braid::tools {

/// Prints entries as JSON lines that `braid import` takes back without a loss, whatever bytes they
/// hold. One thread; keeps its scratch memory from entry to entry.
class EntryJson {
public:
    void append(Buffer& out, const Entry& entry);
    /// The same with the metadata given apart; `entry.metadata` is not looked at.
    static void append(Buffer& out, const Entry& entry, std::span<const KeyValue> metadata);

private:
    std::vector<KeyValue> metadata_;
};

}  // namespace braid::tools
