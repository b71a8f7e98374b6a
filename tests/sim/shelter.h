#pragma once

namespace braid::sim {

/// While one lives, this thread is inside the simulated disk: the memory that it asks for there is
/// not the engine's, and a test that lets the engine's run out spares it.
class Shelter {
public:
    Shelter() noexcept { ++depth; }
    ~Shelter() { --depth; }
    Shelter(const Shelter&) = delete;
    Shelter& operator=(const Shelter&) = delete;

    [[nodiscard]] static bool is_over_this_thread() noexcept { return depth != 0; }

private:
    static inline thread_local unsigned depth = 0;
};

}  // namespace braid::sim
