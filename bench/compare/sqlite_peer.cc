#include <fcntl.h>
#include <fmt/format.h>
#include <sqlite3.h>
#include <unistd.h>

#include <mutex>

#include "bench/compare/keys.h"
#include "bench/compare/peer.h"
#include "bench/place.h"

namespace bench {
namespace {

/// One connection that writes, as its documentation advises: writers exclude one another anyway.
class Connection {
public:
    Connection(const std::string& path, bool durable) {
        must_be(sqlite3_open(path.c_str(), &db_));
        run("PRAGMA journal_mode=WAL");
        run(durable ? "PRAGMA synchronous=FULL" : "PRAGMA synchronous=NORMAL");
        run("CREATE TABLE events(segment INTEGER, sequence INTEGER, payload BLOB, "
            "PRIMARY KEY(segment, sequence)) WITHOUT ROWID");
        begin_ = prepare("BEGIN IMMEDIATE");
        insert_ = prepare("INSERT INTO events VALUES(?, ?, ?)");
        commit_ = prepare("COMMIT");
    }
    Connection(const Connection&) = delete;
    Connection& operator=(const Connection&) = delete;
    ~Connection() {
        for (sqlite3_stmt* statement : {begin_, insert_, commit_}) sqlite3_finalize(statement);
        sqlite3_close(db_);
    }

    void commit(std::span<const Append> appends, Sequences& sequences) {
        const std::scoped_lock lock(mutex_);
        if (appends.size() > 1) step(begin_);
        for (const Append& append : appends) {
            sqlite3_bind_int64(insert_, 1, append.segment);
            sqlite3_bind_int64(insert_, 2,
                               static_cast<sqlite3_int64>(sequences.take(append.segment)));
            sqlite3_bind_blob64(insert_, 3, append.payload.data(), append.payload.size(),
                                SQLITE_STATIC);
            step(insert_);
        }
        if (appends.size() > 1) step(commit_);
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
    void step(sqlite3_stmt* statement) {
        must_be(sqlite3_step(statement));
        must_be(sqlite3_reset(statement));
    }

    std::mutex mutex_;
    sqlite3* db_ = nullptr;
    sqlite3_stmt* begin_ = nullptr;
    sqlite3_stmt* insert_ = nullptr;
    sqlite3_stmt* commit_ = nullptr;
};

class SqliteSession : public Session {
public:
    SqliteSession(Connection& connection, Sequences& sequences)
        : connection_(connection), sequences_(sequences) {}
    void commit(std::span<const Append> appends) override {
        connection_.commit(appends, sequences_);
    }

private:
    Connection& connection_;
    Sequences& sequences_;
};

class SqlitePeer : public Peer {
public:
    explicit SqlitePeer(const Setup& setup)
        : sequences_(setup.segments),
          connection_(setup.directory + "/events.db", setup.durable),
          log_(::open((setup.directory + "/events.db-wal").c_str(), O_RDWR | O_CLOEXEC)) {
        if (log_ < 0) give_up("sqlite: there is no write-ahead log");
    }
    SqlitePeer(const SqlitePeer&) = delete;
    SqlitePeer& operator=(const SqlitePeer&) = delete;
    ~SqlitePeer() override { ::close(log_); }
    std::unique_ptr<Session> session() override {
        return std::make_unique<SqliteSession>(connection_, sequences_);
    }
    /// What synchronous=FULL would do after a commit.
    void flush() override {
        if (::fdatasync(log_) != 0) give_up("sqlite: fdatasync of the write-ahead log");
    }

private:
    Sequences sequences_;
    Connection connection_;
    int log_;
};

}  // namespace

PeerKind sqlite_peer() {
    return {
        "sqlite",
        fmt::format("SQLite {}; WAL, synchronous=FULL (NORMAL for buffered rows), WITHOUT ROWID, "
                    "prepared statements, one connection under a mutex",
                    sqlite3_libversion()),
        [](const Setup& setup) { return std::make_unique<SqlitePeer>(setup); }};
}

}  // namespace bench
