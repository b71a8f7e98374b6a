#include "segment/tail.h"

#include <doctest/doctest.h>

#include <array>
#include <bit>
#include <cstdlib>

#include "tests/segment/sample.h"

namespace braid::test {
namespace {

using segment::TailNode;

/// A segment's chain of frames of one to four records, as the sequencer makes it; `after` positions
/// of other segments may stand between them.
class Chain {
public:
    explicit Chain(std::uint64_t seed) : random_(seed) {}

    void add() {
        const auto count = static_cast<std::uint32_t>(1 + random_() % 4);
        position_ = position_ + random_() % 3;
        const auto frame = plain_frame({.segment = 7,
                                        .first_sequence = sequence_ + 1,
                                        .first_position = position_ + 1,
                                        .timestamp = 1,
                                        .transaction = nodes_.size() + 1,
                                        .ends_transaction = true},
                                       count, 1, 0);
        const std::size_t padded = segment::FrameView(frame.data()).padded_length();
        segment::Chunk& chunk = arena_.chunk_for(padded, 1, position_ + 1);
        std::byte* at = chunk.add_items(padded);
        std::copy(frame.begin(), frame.end(), at);
        nodes_.push_back(
            chunk.add_node(at, this, nodes_.empty() ? nullptr : nodes_.back(), drained));
        chunk.publish();
        sequence_ = sequence_ + count;
        position_ = position_ + count;
    }
    /// As a drain leaves it that ends with the node of this index.
    void drain(std::size_t index) {
        drained = nodes_[index]->last_sequence();
        drained_position_ = nodes_[index]->last_position();
        // What is drained may be gone: nobody is to look at it.
        taken_ = arena_.take_through(nodes_[index]->last_position(), 0, position_);
        first = index + 1;
    }

    /// The node that holds it, found by looking at every one.
    [[nodiscard]] const TailNode* with(Sequence sequence) const {
        for (std::size_t i = first; i < nodes_.size(); ++i)
            if (nodes_[i]->first_sequence <= sequence && sequence <= nodes_[i]->last_sequence())
                return nodes_[i];
        return nullptr;
    }
    /// The newest that begins at or before it, found likewise.
    [[nodiscard]] const TailNode* at_or_before(Position position) const {
        const TailNode* found = nullptr;
        for (std::size_t i = first; i < nodes_.size(); ++i)
            if (nodes_[i]->first_position <= position) found = nodes_[i];
        return found;
    }
    [[nodiscard]] const TailNode* newest() const { return nodes_.back(); }
    /// `with`, guessed.
    [[nodiscard]] const TailNode* guess(Sequence sequence) const {
        const segment::TailPlace before{drained, first == 0 ? Position(0) : drained_position_};
        return guess_sequence(arena_, newest(), before, sequence, drained);
    }
    [[nodiscard]] std::size_t length() const { return nodes_.size() - first; }
    [[nodiscard]] Position position() const { return position_; }

    Sequence drained;
    std::size_t first = 0;  // node that isn't drained

private:
    std::mt19937_64 random_;
    segment::Arena arena_{4096, 0, std::make_shared<segment::Pinned>(0)};
    std::vector<const TailNode*> nodes_;
    std::vector<std::shared_ptr<segment::Chunk>>
        taken_;  // the chunks drained last, let go with the next
    Sequence sequence_;
    Position position_;
    Position drained_position_;
};

void check_finds(const Chain& chain) {
    const TailNode* newest = chain.newest();
    bool right = true;
    for (Sequence sequence = 0; sequence <= newest->last_sequence() + 2; ++sequence)
        right = right && find_sequence(newest, sequence, chain.drained) == chain.with(sequence);
    CHECK_MESSAGE(right, "a sequence is found where it is, and only there");
    for (Sequence sequence = 0; sequence <= newest->last_sequence() + 2; ++sequence)
        right = right && chain.guess(sequence) == chain.with(sequence);
    CHECK_MESSAGE(right, "a guess finds the same");
    right = true;
    for (Position position = 0; position <= chain.position() + 2; ++position)
        right =
            right && find_position(newest, position, chain.drained) == chain.at_or_before(position);
    CHECK_MESSAGE(right, "a position leads to the newest frame that isn't beyond it");
}

/// How many nodes a walk to the chain's oldest visits, which takes every jump that it can.
std::size_t steps_to_oldest(const Chain& chain) {
    std::size_t steps = 0;
    for (const TailNode* node = chain.newest(); node != nullptr; ++steps)
        node = node->jump_last_sequence > chain.drained ? node->jump : before(node, chain.drained);
    return steps;
}

TEST_CASE("every frame of a tail is found by sequence and by position, in few steps") {
    const std::uint64_t seed = fresh_seed();
    CAPTURE(seed);
    Chain chain(seed);
    for (std::size_t length = 1; length <= 300; ++length) {
        chain.add();
        REQUIRE(chain.length() == length);
        check_finds(chain);
        CHECK(steps_to_oldest(chain) <= 2 * static_cast<std::size_t>(std::bit_width(length)));
    }
}

TEST_CASE("what is drained of a tail is neither found nor looked at") {
    const std::uint64_t seed = fresh_seed();
    CAPTURE(seed);
    std::mt19937_64 random(seed);
    for (int round = 0; round < 20; ++round) {
        Chain chain(random());
        for (int drains = 0; drains < 4; ++drains) {
            const std::size_t added = 2 + random() % 80;
            for (std::size_t i = 0; i < added; ++i) chain.add();
            check_finds(chain);
            chain.drain(chain.first + random() % (chain.length() - 1));
            check_finds(chain);
        }
        CHECK(find_sequence(chain.newest(), 1, chain.newest()->last_sequence()) == nullptr);
        CHECK(find_position(chain.newest(), chain.position(), chain.newest()->last_sequence()) ==
              nullptr);
    }
}

TEST_CASE("where all frames of a tail are alike, the first guess is where the frame stands") {
    segment::Arena arena(4096, 0, std::make_shared<segment::Pinned>(0));
    int owners[2];  // by turns
    std::array<const TailNode*, 2> newest{};
    std::vector<const TailNode*> nodes;
    for (std::uint64_t i = 0; i < 500; ++i) {
        const std::uint64_t owner = i % 2;
        const auto frame = plain_frame({.segment = owner + 1,
                                        .first_sequence = i / 2 + 1,
                                        .first_position = i + 1,
                                        .timestamp = 1,
                                        .transaction = i + 1,
                                        .ends_transaction = true},
                                       1, 20, 0);
        segment::Chunk& chunk = arena.chunk_for(frame.size(), 1, i + 1);
        std::byte* at = chunk.add_items(frame.size());
        std::copy(frame.begin(), frame.end(), at);
        newest[owner] = chunk.add_node(at, &owners[owner], newest[owner], 0);
        nodes.push_back(newest[owner]);
        chunk.publish();
    }
    for (std::uint64_t i = 0; i + 2 < 500; ++i) {
        const TailNode& node = *nodes[i];
        const TailNode& last = *newest[i % 2];
        const Position expected = segment::expected_position(
            {0, 0}, {last.first_sequence, last.first_position}, node.first_sequence);
        const auto distance = static_cast<std::int64_t>(expected.value - node.first_position.value);
        REQUIRE(std::abs(distance) <= 1);
        const segment::Chunk* chunk = arena.look_up(node.first_position);
        REQUIRE(chunk == node.chunk);
        CHECK(chunk->near(node.first_position, node.owner) == &node);
        CHECK((chunk->nodes() < 2 || chunk->even_frame(node.first_position).frame == node.frame));
    }
    CHECK(segment::expected_position({0, 0}, {100, 1'000'000}, 50) == 0);
}

}  // namespace
TEST_CASE("a chunk is kept for the items of a transaction that has no frames") {
    segment::Arena arena(4096, 0, std::make_shared<segment::Pinned>(0));
    segment::Chunk& chunk = arena.chunk_for(64, 0, 1);
    chunk.add_items(64);
    chunk.note(5);
    chunk.publish();
    CHECK(arena.take_through(0, 4, 0).empty());
    CHECK(arena.take_through(0, 5, 0).size() == 1);
}

}  // namespace braid::test
