#include "server/store/sqlite_job_store.h"

#include <utility>

#include "common/base/failpoint.h"
#include "common/base/mutex.h"
#include "server/store/record_codec.h"
#include "server/store/sqlite.h"

namespace rondo {
namespace {

// "Rndo": what a file of ours says of itself, from schema 2 on.
constexpr int64_t kApplicationId = 0x526e646f;
constexpr int64_t kSchemaVersion = 2;

// kMigrations[v] takes a file from schema v to v + 1; an empty file is schema 0. What a release has
// written once stays as it is here.
constexpr const char* kMigrations[kSchemaVersion] = {
    R"(
  CREATE TABLE jobs (
    sequence INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    request_id TEXT NOT NULL UNIQUE,
    create_time_ns INTEGER NOT NULL,
    spec BLOB NOT NULL);
  CREATE TABLE events (
    job_id TEXT NOT NULL REFERENCES jobs (id),
    number INTEGER NOT NULL,
    record BLOB NOT NULL,
    PRIMARY KEY (job_id, number)) WITHOUT ROWID;
  PRAGMA user_version = 1;
)",
    // So that a database of something else is never taken for ours.
    R"(
  PRAGMA application_id = 0x526e646f;
  PRAGMA user_version = 2;
)"};

// What an older release wrote may lack fields that this one writes, so stored bytes are compared
// as what they say.
absl::StatusOr<bool> SameSpec(const std::string& stored, const std::string& spec) {
  if (stored == spec) return true;
  ASSIGN_OR_RETURN(const JobSpec decoded, DecodeSpec(stored));
  return EncodeSpec(decoded) == spec;
}

class SqliteJobStore final : public JobStore {
 public:
  explicit SqliteJobStore(Sqlite db) : db_(std::move(db)) {}

  absl::Status Initialise();

  absl::StatusOr<std::optional<JobId>> FindRequest(const std::string& request_id,
                                                   const JobSpec& spec) override {
    MutexLock lock(&mu_);
    return FindRequestLocked(request_id, EncodeSpec(spec));
  }
  absl::StatusOr<CreatedJob> Create(const Job& job, const JobEvent& first) override;
  absl::StatusOr<int64_t> Append(const JobId& id, const std::vector<JobEvent>& events) override;
  absl::StatusOr<std::vector<JobEvent>> ReadEvents(const JobId& id, int64_t after,
                                                   int limit) override {
    MutexLock lock(&mu_);
    return ReadEventsLocked(id, after, limit);
  }
  absl::StatusOr<std::vector<Job>> LoadJobs() override;

 private:
  absl::StatusOr<int64_t> Number(const std::string& query) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  absl::StatusOr<int64_t> CheckSchema() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  absl::Status Migrate(int64_t version) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  absl::StatusOr<std::optional<JobId>> FindRequestLocked(const std::string& request_id,
                                                         const std::string& spec)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  absl::StatusOr<int64_t> AppendLocked(const JobId& id, const JobEvent& event)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  absl::StatusOr<std::vector<JobEvent>> ReadEventsLocked(const JobId& id, int64_t after, int limit)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  absl::Status FoldEvents(Job* job) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  Mutex mu_;
  Sqlite db_ ABSL_GUARDED_BY(mu_);
};

absl::Status SqliteJobStore::Initialise() {
  MutexLock lock(&mu_);
  // EXCLUSIVE keeps the lock that the first access takes until the file is closed.
  RETURN_IF_ERROR(db_.Execute("PRAGMA locking_mode = EXCLUSIVE"));
  ASSIGN_OR_RETURN(const int64_t version, CheckSchema());
  RETURN_IF_ERROR(db_.Execute("PRAGMA journal_mode = WAL"));
  RETURN_IF_ERROR(db_.Execute("PRAGMA synchronous = FULL"));
  RETURN_IF_ERROR(db_.Execute("PRAGMA foreign_keys = ON"));
  return Migrate(version);
}

absl::StatusOr<int64_t> SqliteJobStore::Number(const std::string& query) {
  ASSIGN_OR_RETURN(Statement statement, db_.Prepare(query));
  ASSIGN_OR_RETURN(const bool row, statement.Step());
  return row ? statement.Int(0) : 0;
}

// The schema of the file as it is; changes nothing.
absl::StatusOr<int64_t> SqliteJobStore::CheckSchema() {
  ASSIGN_OR_RETURN(const int64_t version, Number("PRAGMA user_version"));
  ASSIGN_OR_RETURN(const int64_t application, Number("PRAGMA application_id"));
  ASSIGN_OR_RETURN(const int64_t tables, Number("SELECT COUNT(*) FROM sqlite_schema"));
  const bool unnamed = application == 0 && (tables == 0 || version == 1);
  if (application != kApplicationId && !unnamed) {
    return absl::FailedPreconditionError(
        absl::StrCat(db_.path(), " is a database of another program; choose another folder"));
  }
  if (version > kSchemaVersion) {
    return absl::FailedPreconditionError(
        absl::StrCat(db_.path(), " was written by a newer release (schema ", version,
                     ", this one knows ", kSchemaVersion, "); use that release or another folder"));
  }
  return version;
}

absl::Status SqliteJobStore::Migrate(int64_t version) {
  RONDO_FAILPOINT("store.migrate.before");
  ASSIGN_OR_RETURN(Transaction transaction, Transaction::Begin(&db_));
  for (int64_t v = version; v < kSchemaVersion; ++v) {
    RETURN_IF_ERROR(db_.Execute(kMigrations[v]));
  }
  RETURN_IF_ERROR(transaction.Commit());
  RONDO_FAILPOINT("store.migrate.after");
  return absl::OkStatus();
}

absl::StatusOr<std::optional<JobId>> SqliteJobStore::FindRequestLocked(
    const std::string& request_id, const std::string& spec) {
  ASSIGN_OR_RETURN(Statement query, db_.Prepare("SELECT id, spec FROM jobs WHERE request_id = ?"));
  ASSIGN_OR_RETURN(const bool found, query.Bind(request_id).Step());
  if (!found) return std::nullopt;
  ASSIGN_OR_RETURN(const bool same, SameSpec(query.Bytes(1), spec));
  if (!same) {
    return absl::InvalidArgumentError(absl::StrCat("request_id \"", request_id,
                                                   "\" was used for job ", query.Bytes(0),
                                                   " with another spec; choose a new request_id"));
  }
  return JobId(query.Bytes(0));
}

absl::StatusOr<CreatedJob> SqliteJobStore::Create(const Job& job, const JobEvent& first) {
  MutexLock lock(&mu_);
  const std::string spec = EncodeSpec(job.spec);
  RONDO_FAILPOINT("store.create.before");
  ASSIGN_OR_RETURN(Transaction transaction, Transaction::Begin(&db_));
  ASSIGN_OR_RETURN(const std::optional<JobId> known, FindRequestLocked(job.request_id, spec));
  if (known) return CreatedJob{*known, true};
  {
    ASSIGN_OR_RETURN(
        Statement insert,
        db_.Prepare("INSERT INTO jobs (id, request_id, create_time_ns, spec) VALUES (?, ?, ?, ?)"));
    insert.Bind(job.id.value()).Bind(job.request_id).Bind(absl::ToUnixNanos(job.created));
    RETURN_IF_ERROR(insert.BindBlob(spec).Step().status());
  }
  RETURN_IF_ERROR(AppendLocked(job.id, first).status());
  RONDO_FAILPOINT("store.create.written");
  RETURN_IF_ERROR(transaction.Commit());
  RONDO_FAILPOINT("store.create.after");
  return CreatedJob{job.id, false};
}

absl::StatusOr<int64_t> SqliteJobStore::Append(const JobId& id,
                                               const std::vector<JobEvent>& events) {
  MutexLock lock(&mu_);
  RONDO_FAILPOINT("store.append.before");
  ASSIGN_OR_RETURN(Transaction transaction, Transaction::Begin(&db_));
  int64_t last = 0;
  for (const JobEvent& event : events) {
    ASSIGN_OR_RETURN(last, AppendLocked(id, event));
  }
  RONDO_FAILPOINT("store.append.written");
  RETURN_IF_ERROR(transaction.Commit());
  RONDO_FAILPOINT("store.append.after");
  return last - static_cast<int64_t>(events.size()) + 1;
}

// Within a transaction.
absl::StatusOr<int64_t> SqliteJobStore::AppendLocked(const JobId& id, const JobEvent& event) {
  ASSIGN_OR_RETURN(Statement insert, db_.Prepare(R"(
      INSERT INTO events (job_id, number, record)
      SELECT id, (SELECT COALESCE(MAX(number), 0) + 1 FROM events WHERE job_id = jobs.id), ?
      FROM jobs WHERE id = ? RETURNING number)"));
  ASSIGN_OR_RETURN(const bool inserted,
                   insert.BindBlob(EncodeEvent(event)).Bind(id.value()).Step());
  if (!inserted) {
    return absl::NotFoundError(absl::StrCat("job \"", id.value(), "\" is not in the store"));
  }
  const int64_t number = insert.Int(0);
  RETURN_IF_ERROR(insert.Step().status());
  return number;
}

absl::StatusOr<std::vector<JobEvent>> SqliteJobStore::ReadEventsLocked(const JobId& id,
                                                                       int64_t after, int limit) {
  ASSIGN_OR_RETURN(Statement query, db_.Prepare("SELECT number, record FROM events WHERE job_id = "
                                                "? AND number > ? ORDER BY number LIMIT ?"));
  query.Bind(id.value()).Bind(after).Bind(static_cast<int64_t>(limit));
  std::vector<JobEvent> events;
  while (true) {
    ASSIGN_OR_RETURN(const bool row, query.Step());
    if (!row) return events;
    ASSIGN_OR_RETURN(JobEvent event, DecodeEvent(query.Int(0), query.Bytes(1)));
    events.push_back(std::move(event));
  }
}

absl::Status SqliteJobStore::FoldEvents(Job* job) {
  constexpr int kBatch = 1000;
  while (true) {
    ASSIGN_OR_RETURN(const std::vector<JobEvent> events,
                     ReadEventsLocked(job->id, job->last_event, kBatch));
    for (const JobEvent& event : events) {
      if (event.number != job->last_event + 1) {
        return absl::DataLossError(absl::StrCat("event ", job->last_event + 1, " of job ",
                                                job->id.value(), " is missing in ", db_.path()));
      }
      Apply(event, job);
    }
    if (events.size() < kBatch) return absl::OkStatus();
  }
}

absl::StatusOr<std::vector<Job>> SqliteJobStore::LoadJobs() {
  MutexLock lock(&mu_);
  ASSIGN_OR_RETURN(
      Statement query,
      db_.Prepare("SELECT id, request_id, create_time_ns, spec FROM jobs ORDER BY sequence"));
  std::vector<Job> jobs;
  while (true) {
    ASSIGN_OR_RETURN(const bool row, query.Step());
    if (!row) return jobs;
    Job job;
    job.id = JobId(query.Bytes(0));
    job.request_id = query.Bytes(1);
    job.created = absl::FromUnixNanos(query.Int(2));
    ASSIGN_OR_RETURN(job.spec, DecodeSpec(query.Bytes(3)));
    RETURN_IF_ERROR(FoldEvents(&job));
    jobs.push_back(std::move(job));
  }
}

}  // namespace

absl::StatusOr<std::unique_ptr<JobStore>> OpenSqliteJobStore(const std::string& path) {
  ASSIGN_OR_RETURN(Sqlite db, Sqlite::Open(path));
  auto store = std::make_unique<SqliteJobStore>(std::move(db));
  RETURN_IF_ERROR(store->Initialise());
  return std::unique_ptr<JobStore>(std::move(store));
}

}  // namespace rondo
