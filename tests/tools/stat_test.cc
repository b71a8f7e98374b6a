// What `braid stat` prints of a store's metrics.json.
#include <doctest/doctest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

#include "tests/io/temporary_directory.h"
#include "tests/main.h"
#include "tools/commands.h"
#include "tools/exit_code.h"

namespace braid::tools {
namespace {

/// What the command prints, which writes to the descriptor of standard output.
std::string output_of_stat(const std::string& directory, bool table) {
    const int memory = ::memfd_create("stdout", MFD_CLOEXEC);
    const int standard_output = ::dup(STDOUT_FILENO);
    REQUIRE(memory >= 0);
    REQUIRE(standard_output >= 0);
    REQUIRE(::dup2(memory, STDOUT_FILENO) >= 0);
    const int code = run_stat({{directory, test::io()}, table});
    REQUIRE(::dup2(standard_output, STDOUT_FILENO) >= 0);
    ::close(standard_output);
    CHECK(code == exit_done);
    std::string text(1 << 16, '\0');
    const ssize_t bytes = ::pread(memory, text.data(), text.size(), 0);
    ::close(memory);
    REQUIRE(bytes >= 0);
    text.resize(static_cast<std::size_t>(bytes));
    return text;
}

boost::json::object json_of_stat(const std::string& directory) {
    return boost::json::parse(output_of_stat(directory, false)).as_object();
}

Store open_store(const std::string& directory, std::chrono::milliseconds metrics_interval) {
    Options options;
    options.create = true;
    options.io = test::io();
    options.metrics_interval = metrics_interval;
    auto store = Store::open(directory, options);
    REQUIRE(store);
    return *std::move(store);
}

void write_metrics(const std::string& directory, std::string_view text) {
    std::ofstream(directory + "/metrics.json", std::ios::binary) << text;
}

TEST_CASE("stat shows the metrics of a store in use, and how old they are") {
    test::TemporaryDirectory directory;
    const std::string& path = directory.path();
    Store store = open_store(path, std::chrono::hours(1));
    REQUIRE(store.append("orders", "ann", "payload"));
    // Written at once, and then not for an hour.
    while (!std::filesystem::exists(path + "/metrics.json")) std::this_thread::yield();
    const boost::json::object in_use = json_of_stat(path).at("metrics").as_object();
    CHECK(in_use.at("pid").to_number<std::int64_t>() == ::getpid());
    CHECK_FALSE(in_use.at("closed").as_bool());
    CHECK(in_use.at("age_ms").to_number<std::uint64_t>() < 3'600'000);
    REQUIRE(store.close());
    const boost::json::object closed = json_of_stat(path).at("metrics").as_object();
    CHECK(closed.at("closed").as_bool());
    CHECK(closed.at("commits").to_number<std::uint64_t>() == 1);
    const std::string table = output_of_stat(path, true);
    CAPTURE(table);
    CHECK(table.find(" s old\n") != std::string::npos);
    CHECK(table.find(
              "  batch_transactions    count 1, sum 1, p50 1, p90 1, p99 1, p999 1, max 1\n") !=
          std::string::npos);
}

TEST_CASE("stat tells the age of metrics that nobody writes any more") {
    test::TemporaryDirectory directory;
    REQUIRE(open_store(directory.path(), {}).close());
    const auto second_ago = std::chrono::system_clock::now() - std::chrono::seconds(1);
    const auto written = std::chrono::nanoseconds(second_ago.time_since_epoch()).count();
    write_metrics(directory.path(), "{\"written\":" + std::to_string(written) + "}");
    const auto age = json_of_stat(directory.path()).at("metrics").at("age_ms").to_number<int>();
    CHECK(age >= 1000);
    CHECK(age < 600'000);
    // The clock was set back since.
    write_metrics(directory.path(), "{\"written\":18446744073709551615}");
    CHECK(json_of_stat(directory.path()).at("metrics").at("age_ms").to_number<int>() == 0);
}

TEST_CASE("stat says nothing of metrics that are missing or damaged") {
    test::TemporaryDirectory directory;
    const std::string& path = directory.path();
    REQUIRE(open_store(path, {}).close());
    const std::string plain = output_of_stat(path, false);
    const std::string plain_table = output_of_stat(path, true);
    CHECK_FALSE(boost::json::parse(plain).as_object().contains("metrics"));
    std::vector<std::string> damaged{"",   "{\"written\":1,\"pid\":", "[1]",
                                     "{}", "{\"written\":\"noon\"}",  "{\"written\":-1}"};
    damaged.emplace_back(64, '\0');
    damaged.emplace_back(1 << 17, '[');
    damaged.emplace_back(1 << 17, ' ');
    for (const std::string& text : damaged) {
        write_metrics(path, text);
        CHECK(output_of_stat(path, false) == plain);
        CHECK(output_of_stat(path, true) == plain_table);
    }
    std::filesystem::remove(path + "/metrics.json");
    std::filesystem::create_directory(path + "/metrics.json");
    CHECK(output_of_stat(path, false).find("\"metrics\"") == std::string::npos);
}

}  // namespace
}  // namespace braid::tools
