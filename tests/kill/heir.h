#pragma once

#include <braid/options.hpp>
#include <string>

#include "tests/kill/life.h"

namespace braid::kill {

/// Takes the exclusive lock of a store's directory the moment that it is free, and sees whether
/// anybody still writes there: who holds the lock is alone, and no write of a dead process lands
/// any more (rule 18). Returns what is wrong, in words; empty: nothing.
[[nodiscard]] std::string check_alone(const std::string& directory);

// Each is the whole life of a forked process.
/// Holds the lock of a directory of its own and keeps as many writes with the kernel as it can, as
/// the engine's threads make them, until it is killed.
[[noreturn]] void flood(const Place& place, Io io, int alarm);
/// `check_alone` after a flood; writes to `ready` when it begins to wait.
[[noreturn]] void inherit(const Place& place, int ready);

}  // namespace braid::kill
