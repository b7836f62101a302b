// SQLite's C interface with Status and RAII: a connection and prepared statements. Not thread-safe.
#pragma once

#include <sqlite3.h>

#include <cstdint>
#include <memory>
#include <string>

#include "common/base/status.h"

namespace rondo {

class Statement;

class Sqlite {
 public:
  // Creates the file when it is missing. FAILED_PRECONDITION: another process has it.
  static absl::StatusOr<Sqlite> Open(const std::string& path);

  absl::Status Execute(const std::string& sql);
  absl::StatusOr<Statement> Prepare(const std::string& sql);
  // The last error of this connection as a Status: RESOURCE_EXHAUSTED for a full disk,
  // DATA_LOSS for a corrupt file, INTERNAL otherwise.
  absl::Status Error(const std::string& action) const;
  const std::string& path() const { return path_; }

 private:
  struct Close {
    void operator()(sqlite3* db) const { sqlite3_close(db); }
  };
  Sqlite(std::string path, sqlite3* db) : path_(std::move(path)), db_(db) {}
  std::string path_;
  std::unique_ptr<sqlite3, Close> db_;
};

// One execution of a statement. Its connection must outlive it.
class Statement {
 public:
  Statement& Bind(int64_t value);
  Statement& Bind(const std::string& value);      // text
  Statement& BindBlob(const std::string& value);  // bytes
  // Whether there is a row.
  absl::StatusOr<bool> Step();
  // REQUIRES: Step() returned true.
  int64_t Int(int column) const { return sqlite3_column_int64(statement_.get(), column); }
  std::string Bytes(int column) const;

 private:
  friend class Sqlite;
  struct Finalize {
    void operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }
  };
  Statement(const Sqlite* db, sqlite3_stmt* statement) : db_(db), statement_(statement) {}
  const Sqlite* db_;
  std::unique_ptr<sqlite3_stmt, Finalize> statement_;
  int bound_ = 0;
};

// Rolls back unless Commit() succeeded.
class Transaction {
 public:
  static absl::StatusOr<Transaction> Begin(Sqlite* db);
  Transaction(Transaction&& other) noexcept : db_(other.db_) { other.db_ = nullptr; }
  ~Transaction();
  absl::Status Commit();

 private:
  explicit Transaction(Sqlite* db) : db_(db) {}
  Sqlite* db_;
};

}  // namespace rondo
