#include <sqlite3.h>

#include "bench/compare/reads/read_peer.h"
#include "bench/place.h"
#include "bench/records.h"

namespace bench {
namespace {

/// One table, ordered by segment; the order of commit is an index over it.
class SqliteReads : public ReadPeer {
public:
    explicit SqliteReads(const ReadSetup& setup) {
        must_be(sqlite3_open((setup.directory + "/events.db").c_str(), &db_));
        run("PRAGMA journal_mode=WAL");
        run("PRAGMA synchronous=OFF");
        run("PRAGMA mmap_size=68719476736");
        run("CREATE TABLE events(segment INTEGER, sequence INTEGER, position INTEGER, "
            "payload BLOB, PRIMARY KEY(segment, sequence)) WITHOUT ROWID");
        fill(setup);
        if (setup.in_order_of_commit)
            run("CREATE UNIQUE INDEX by_commit ON events(position, payload)");
        run("PRAGMA wal_checkpoint(TRUNCATE)");
        scan_ = prepare("SELECT payload FROM events WHERE segment = ? ORDER BY sequence");
        get_ = prepare("SELECT payload FROM events WHERE segment = ? AND sequence = ?");
        if (setup.in_order_of_commit)
            space_ =
                prepare("SELECT payload FROM events WHERE position > ? ORDER BY position LIMIT ?");
    }
    SqliteReads(const SqliteReads&) = delete;
    SqliteReads& operator=(const SqliteReads&) = delete;
    ~SqliteReads() override {
        for (sqlite3_stmt* statement : {scan_, get_, space_}) sqlite3_finalize(statement);
        sqlite3_close(db_);
    }
    std::uint64_t scan(std::uint32_t segment) override { return walk(scan_, {segment}); }
    unsigned get(std::uint32_t segment, std::uint64_t sequence) override {
        sum_ = 0;
        if (walk(get_, {segment, static_cast<std::int64_t>(sequence)}) != 1)
            give_up("sqlite: a record is missing");
        return sum_;
    }
    std::uint64_t scan_space(std::uint64_t after, std::uint64_t limit) override {
        return walk(space_, {static_cast<std::int64_t>(after),
                             limit == 0 ? -1 : static_cast<std::int64_t>(limit)});
    }

private:
    void must_be(int code) {
        if (code != SQLITE_OK && code != SQLITE_DONE && code != SQLITE_ROW)
            give_up(std::string("sqlite: ") + sqlite3_errmsg(db_));
    }
    void run(const char* sql) { must_be(sqlite3_exec(db_, sql, nullptr, nullptr, nullptr)); }
    sqlite3_stmt* prepare(const char* sql) {
        sqlite3_stmt* statement = nullptr;
        must_be(sqlite3_prepare_v2(db_, sql, -1, &statement, nullptr));
        return statement;
    }
    void fill(const ReadSetup& setup) {
        run("BEGIN");
        sqlite3_stmt* insert = prepare("INSERT INTO events VALUES(?, ?, ?, ?)");
        for (std::uint64_t record = 0; record < setup.records; ++record) {
            sqlite3_bind_int64(insert, 1, setup.segment_of(record));
            sqlite3_bind_int64(insert, 2, static_cast<sqlite3_int64>(setup.sequence_of(record)));
            sqlite3_bind_int64(insert, 3, static_cast<sqlite3_int64>(record + 1));
            sqlite3_bind_blob64(insert, 4, payload().data(), payload().size(), SQLITE_STATIC);
            must_be(sqlite3_step(insert));
            must_be(sqlite3_reset(insert));
        }
        sqlite3_finalize(insert);
        run("COMMIT");
    }
    std::uint64_t walk(sqlite3_stmt* statement, std::initializer_list<std::int64_t> values) {
        int number = 0;
        for (const std::int64_t value : values) sqlite3_bind_int64(statement, ++number, value);
        std::uint64_t records = 0;
        for (; sqlite3_step(statement) == SQLITE_ROW; ++records)
            sum_ += *static_cast<const unsigned char*>(sqlite3_column_blob(statement, 0));
        must_be(sqlite3_reset(statement));
        return records;
    }

    sqlite3* db_ = nullptr;
    sqlite3_stmt* scan_ = nullptr;
    sqlite3_stmt* get_ = nullptr;
    sqlite3_stmt* space_ = nullptr;
    unsigned sum_ = 0;
};

}  // namespace

ReadPeerKind sqlite_read_peer() {
    return {"sqlite", [](const ReadSetup& setup) { return std::make_unique<SqliteReads>(setup); }};
}

}  // namespace bench
