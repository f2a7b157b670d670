#include "replay.hpp"

#include <algorithm>
#include <chrono>
#include <nlohmann/json.hpp>
#include <thread>
#include <tuple>

#include "soma/dataset.hpp"
#include "soma/error.hpp"

using nlohmann::ordered_json;

std::string ReplayJob::to_json() const {
  auto leg_list = ordered_json::array();
  for (const Leg& leg : legs) leg_list.push_back({leg.from_step, leg.epochs, leg.steps});
  return ordered_json{{"config", ordered_json::parse(config.to_json())},
                      {"side", side.str()},
                      {"legs", leg_list},
                      {"until", until},
                      {"report_at", report_at},
                      {"lockstep", lockstep}}
      .dump();
}

ReplayJob ReplayJob::from_json(const std::string& text) {
  const ordered_json fields = ordered_json::parse(text);
  ReplayJob job;
  job.config = RunConfig::from_json(fields.at("config").dump(), "job");
  job.side = side_from(fields.at("side").get<std::string>(), {});
  for (const auto& leg : fields.at("legs")) {
    job.legs.push_back({leg.at(0).get<std::int64_t>(), leg.at(1).get<std::int64_t>(),
                        leg.at(2).get<std::int64_t>()});
  }
  fields.at("until").get_to(job.until);
  fields.at("report_at").get_to(job.report_at);
  fields.at("lockstep").get_to(job.lockstep);
  return job;
}

ReplayJob replay_job(const TrainingCertificate& certificate, const Side& side) {
  ReplayJob job;
  job.config = certificate.config;
  job.side = side;
  for (const auto& session : certificate.sessions) {
    job.legs.push_back({session.from_step, session.epochs, session.steps});
  }
  return job;
}

ReplayJob replay_job(const RunConfig& config, const Side& side) {
  ReplayJob job;
  job.config = config;
  job.side = side;
  job.legs = {{0, config.epochs, config.steps}};
  return job;
}

void require_data(const RunConfig& config) {
  const soma::DataSplit data = soma::data::load(config.data);
  for (const auto& [part, dataset, recorded] :
       {std::tuple("training", &data.train, &config.train_sha256),
        std::tuple("test", &data.test, &config.test_sha256)}) {
    const std::string found = dataset->sha256();
    if (found == *recorded) continue;
    throw soma::StateError("the " + std::string(part) + " data of '" + config.data +
                           "' are not those of the run: expected SHA-256 " + *recorded +
                           ", found " + found);
  }
}

Side recorded_side(const TrainingCertificate& certificate,
                   const TrainingCertificate::Epoch& epoch) {
  const TrainingCertificate::Session* session = &certificate.sessions.front();
  for (const auto& later : certificate.sessions) {
    if (later.from_step < epoch.step) session = &later;
  }
  return {session->backend, session->fallback, session->numerics, session->threads};
}

ReplayProcess::ReplayProcess(const ReplayJob& job)
    : side_(job.side), process_({"verify", "--child"}) {
  process_.send(job.to_json());
}

ReplayProcess::Message ReplayProcess::next() {
  while (true) {
    if (const auto line = process_.next_line()) {
      const std::size_t blank = std::min(line->find(' '), line->size());
      return {line->substr(0, blank), line->substr(std::min(blank + 1, line->size()))};
    }
    if (process_.read_some()) continue;
    while (!process_.ended()) std::this_thread::sleep_for(std::chrono::milliseconds(5));
    const std::string how = process_.how_it_ended(), words = process_.last_words();
    return {"died", "the process ended" + (how.empty() ? "" : " with " + how) +
                        (words.empty() ? "" : " (" + words + ")")};
  }
}
