#include "server/core/worker_table.h"

#include <algorithm>
#include <tuple>

namespace rondo {

AgentSession WorkerTable::Attach(const WorkerInfo& info, AgentLink* link, absl::Time now) {
  Entry& entry = workers_[info.id];
  entry = {info, link, ++last_session_, now};
  entry.info.state = WorkerState::kIdle;
  entry.info.job = JobId();
  return {info.id, last_session_};
}

bool WorkerTable::IsCurrent(const AgentSession& session) const {
  const Entry* entry = FindAttached(session.worker);
  return entry != nullptr && entry->session == session.number;
}

void WorkerTable::Heard(const WorkerId& id, absl::Time now) { workers_.at(id).heard = now; }

void WorkerTable::HeardFromAll(absl::Time now) {
  for (auto& [id, entry] : workers_) {
    if (entry.link != nullptr) entry.heard = now;
  }
}

void WorkerTable::Lose(const WorkerId& id, absl::Time now) {
  Entry& entry = workers_.at(id);
  entry.link = nullptr;
  entry.heard = now;
  entry.info.state = WorkerState::kLost;
  entry.info.job = JobId();
}

AgentLink* WorkerTable::Link(const WorkerId& id) const {
  const Entry* entry = FindAttached(id);
  return entry == nullptr ? nullptr : entry->link;
}

void WorkerTable::Reserve(const WorkerId& id, const JobId& job) {
  WorkerInfo& info = workers_.at(id).info;
  info.state = WorkerState::kBusy;
  info.job = job;
}

void WorkerTable::Release(const WorkerId& id) {
  if (FindAttached(id) == nullptr) return;
  WorkerInfo& info = workers_.at(id).info;
  info.state = WorkerState::kIdle;
  info.job = JobId();
}

std::vector<WorkerInfo> WorkerTable::List() const {
  std::vector<WorkerInfo> list;
  for (const auto& [id, entry] : workers_) list.push_back(entry.info);
  return list;
}

std::vector<WorkerInfo> WorkerTable::ByHost(
    const std::function<bool(const WorkerInfo&)>& among) const {
  std::vector<WorkerInfo> workers;
  for (const auto& [id, entry] : workers_) {
    if (among(entry.info)) workers.push_back(entry.info);
  }
  std::sort(workers.begin(), workers.end(), [](const WorkerInfo& a, const WorkerInfo& b) {
    return std::tie(a.host, a.id) < std::tie(b.host, b.id);
  });
  return workers;
}

std::vector<WorkerInfo> WorkerTable::Idle() const {
  return ByHost([](const WorkerInfo& worker) { return worker.state == WorkerState::kIdle; });
}

std::vector<WorkerInfo> WorkerTable::Attached() const {
  return ByHost([](const WorkerInfo& worker) { return worker.state != WorkerState::kLost; });
}

std::vector<WorkerId> WorkerTable::SilentSince(absl::Time time) const {
  std::vector<WorkerId> silent;
  for (const auto& [id, entry] : workers_) {
    if (entry.link != nullptr && entry.heard < time) silent.push_back(id);
  }
  return silent;
}

void WorkerTable::ForgetLostBefore(absl::Time time) {
  std::erase_if(workers_, [&](const auto& worker) {
    return worker.second.link == nullptr && worker.second.heard < time;
  });
}

const WorkerTable::Entry* WorkerTable::FindAttached(const WorkerId& id) const {
  const auto it = workers_.find(id);
  return it == workers_.end() || it->second.link == nullptr ? nullptr : &it->second;
}

}  // namespace rondo
