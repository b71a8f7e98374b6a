#include "segment/segment_file.h"

#include <doctest/doctest.h>

using namespace braid;

TEST_CASE("a piece ends at the next block behind its index") {
    segment::Piece piece;
    piece.index_offset = 8192;
    piece.index_bytes = 96;
    CHECK(piece.end() == 12288);
    piece.index_bytes = 4096;
    CHECK(piece.end() == 12288);
    piece.index_bytes = 4097;
    CHECK(piece.end() == 16384);
}
