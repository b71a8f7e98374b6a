#include "tools/import_transaction.h"

#include <doctest/doctest.h>

#include <string>

namespace braid::tools {

namespace {

ImportRecord record(std::uint64_t line, std::optional<std::string> trx, std::string payload = "p") {
    ImportRecord made;
    made.space = "s";
    made.segment = "g";
    made.payload = std::move(payload);
    made.trx = std::move(trx);
    made.line = line;
    return made;
}

/// First line of each transaction, and its records, as text: "1x2 3x1".
std::string grouped(const std::vector<std::optional<std::string>>& trxs) {
    std::string text;
    const auto add = [&](const std::optional<ImportTransaction>& transaction) {
        if (!transaction) return;
        text += text.empty() ? "" : " ";
        text += std::to_string(transaction->records.front().line) + "x" +
                std::to_string(transaction->records.size());
    };
    TransactionGrouper grouper;
    std::uint64_t line = 0;
    for (const auto& trx : trxs) add(grouper.add(record(++line, trx)));
    add(grouper.finish());
    CHECK_FALSE(grouper.finish().has_value());
    return text;
}

}  // namespace

TEST_CASE("consecutive records with the same trx are one transaction") {
    CHECK(grouped({}) == "");
    CHECK(grouped({"a"}) == "1x1");
    CHECK(grouped({"a", "a", "b", "b", "b"}) == "1x2 3x3");
    CHECK(grouped({"a", "b", "a"}) == "1x1 2x1 3x1");
    CHECK(grouped({"", ""}) == "1x2");
}

TEST_CASE("a record without trx is a transaction of its own") {
    CHECK(grouped({std::nullopt, std::nullopt}) == "1x1 2x1");
    CHECK(grouped({"a", std::nullopt, "a", "a"}) == "1x1 2x1 3x2");
}

TEST_CASE("the grouper tells how much it holds") {
    TransactionGrouper grouper;
    (void)grouper.add(record(1, "a", "12345"));
    (void)grouper.add(record(2, "a", "123"));
    CHECK(grouper.bytes() == 8);
    CHECK(grouper.add(record(3, "b", "1"))->bytes == 8);
    CHECK(grouper.bytes() == 1);
}

TEST_CASE("an acknowledgement's trx is one word") {
    const auto word = [](std::optional<std::string> trx) {
        ImportTransaction transaction;
        transaction.records.push_back(record(1, std::move(trx)));
        return transaction.trx_word();
    };
    CHECK(word("ed9b544e1") == "ed9b544e1");
    CHECK(word("caf\xc3\xa9") == "caf\xc3\xa9");
    CHECK(word("a b\nc\\") == "a\\u0020b\\u000ac\\u005c");
    CHECK(word(std::nullopt) == "-");
}

TEST_CASE("an error is laid to the record that it speaks of") {
    ImportTransaction transaction;
    for (const std::uint64_t line : {11u, 12u, 13u}) {
        transaction.records.push_back(record(line, "t"));
        transaction.records.back().sequence = Sequence(line);
    }
    transaction.records[2].payload.resize(100);
    Options options;
    options.record_bytes_max = 50;

    const Conflict conflict{"s", "g", "sequence 12", Sequence(12), Sequence(5)};
    CHECK(transaction.line_of(Error::conflict({conflict}), options) == 12);
    CHECK(transaction.line_of(Error(Errc::too_large, ""), options) == 13);
    CHECK(transaction.line_of(Error(Errc::io, ""), options) == 11);
}

}  // namespace braid::tools
