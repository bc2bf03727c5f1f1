// The queue as its owner sees it: read, edit, cancel, pause, resume, reorder, clear.
#include <algorithm>

#include "actors/session/work.hpp"
#include "src/core/json.hpp"
#include "storage/keys.hpp"

namespace holdfast::session {
namespace {

tl::unexpected<Error> not_queued(const Found& m) {
  return fail(ErrorCode::not_queued, "message " + m.intent.id + " is " + std::string(name_of(m.row.state)) +
                                         (terminal(m.row.state) ? ", which is final" : "; use interrupt to stop it"));
}

Reply view(const Work& work, const Found& m) {
  return message_view(work.context.id, m, work.entity, work.journal, work.context.now);
}

Session session_now(Work& work) {
  ++work.state.operations;
  work.state.updated_at = work.context.now;
  return session_view(work.context.id, work.entity, work.journal, work.context.limits);
}

Result<Reply> set_paused(Work& work, QueueAction action) {
  const bool pause = action == QueueAction::pause;
  if (work.state.paused == pause) return session_view(work.context.id, work.entity, work.journal, work.context.limits);
  work.state.paused = pause;
  work.operation(pause ? "session.paused" : "session.resumed", "{}");
  return session_now(work);
}

Result<Reply> clear(Work& work) {
  const auto count = work.end_queued(MessageState::cancelled, [](const Found&) { return true; });
  if (count == 0) return session_view(work.context.id, work.entity, work.journal, work.context.limits);
  work.operation("session.cleared", "{\"messages\":" + std::to_string(count) + "}");
  return session_now(work);
}

Result<Reply> reorder(Work& work, const std::vector<std::string>& order) {
  if (order.empty()) return fail(ErrorCode::invalid_body, "reorder needs the ids that go first", "/order");
  if (order.size() > work.context.limits.reorder_messages_max)
    return fail(ErrorCode::too_large, "reorder takes at most reorder_messages_max ids", "/order");
  std::vector<QueueItem> items;
  for (std::size_t i = 0; i < order.size(); ++i) {
    const auto pointer = "/order/" + std::to_string(i);
    const auto m = work.journal.find(order[i]);
    if (!m) {
      auto error = no_message(order[i]);
      error.value().pointer = pointer;
      return error;
    }
    if (m->row.state != MessageState::queued) return not_queued(*m);
    const bool twice =
        std::any_of(items.begin(), items.end(), [&](auto& item) { return item.position == m->position; });
    if (twice) return fail(ErrorCode::invalid_body, "a message is named twice", pointer);
    items.push_back(item_of(m->position, m->intent, m->row));
  }
  // Those in front before keep their order behind the ones that are named now.
  auto& window = work.entity.window;
  for (std::size_t i = 0; i < window.front; ++i) {
    const auto position = window.items[i].position;
    const bool named = std::any_of(items.begin(), items.end(), [&](auto& item) { return item.position == position; });
    if (!named) items.push_back(window.items[i]);
  }
  window.items = std::move(items);
  window.front = window.items.size();
  window.end = work.state.low;  // the rest is read again, without those that moved
  work.state.front.clear();
  for (const auto& item : window.items) work.state.front.push_back(item.position);

  std::string data = "{\"order\":[";
  for (std::size_t i = 0; i < order.size(); ++i) {
    if (i != 0) data += ',';
    json::append_string(data, order[i]);
  }
  work.operation("session.reordered", data + "]}");
  fill_window(work.entity, work.journal, work.context.limits.queue_window_messages);
  return session_now(work);
}

}  // namespace

Result<Reply> run(Work& work, const ReadMessage& command) {
  if (!work.document.exists || work.document.deleted) return no_session(work);
  const auto m = work.journal.find(command.message);
  if (!m) return no_message(command.message);
  return view(work, *m);
}

Result<Reply> run(Work& work, const ReadMessages& command) {
  if (!work.document.exists || work.document.deleted) return no_session(work);
  const auto& query = command.query;
  const auto last = work.state.last_position;
  // A page looks at a bounded number of messages, so a filter that matches few answers short pages, never slowly.
  constexpr std::uint64_t kLookMax = 10'000;
  Page<Message> page;
  std::uint64_t looked = 0;
  const auto from = query.after_seq == 0 ? 1 : work.journal.position_of_seq(query.after_seq + 1, last);
  work.journal.each_message(from, last + 1, [&](Found&& m) {
    if (page.items.size() >= query.limit || looked >= kLookMax) {
      page.next = std::to_string(m.intent.seq - 1);
      return Visit::stop;
    }
    ++looked;
    if (!query.state || *query.state == m.row.state)
      page.items.push_back(message_view(work.context.id, m, work.entity, work.journal, work.context.now));
    return Visit::next;
  });
  return page;
}

Result<Reply> run(Work& work, const Edit& command) {
  if (!work.document.exists || work.document.deleted) return no_session(work);
  auto m = work.journal.find(command.message);
  if (!m) return no_message(command.message);
  if (auto ok = check(command.precondition, std::to_string(m->row.edits)); !ok)
    return tl::unexpected(std::move(ok.error()));
  if (m->row.state != MessageState::queued) return not_queued(*m);

  const auto& edit = command.edit;
  auto& intent = m->intent;
  if (edit.turn) intent.turn = *edit.turn;
  if (edit.agent) intent.agent = *edit.agent;
  if (edit.not_before) intent.not_before = *edit.not_before;
  if (edit.expires_at) intent.expires_at = *edit.expires_at;
  if (edit.priority) intent.priority = *edit.priority;
  if (edit.metadata) intent.metadata = *edit.metadata;
  work.edit(m->position, intent, m->row);
  auto now = work.journal.at(m->position);
  if (!now) return no_message(command.message);
  for (auto& item : work.entity.window.items) {
    if (item.position == now->position) item = item_of(now->position, now->intent, now->row);
  }
  if (intent.expires_at != 0 && (work.state.expiry == 0 || intent.expires_at < work.state.expiry))
    work.state.expiry = intent.expires_at;
  work.state.updated_at = work.context.now;
  return view(work, *now);
}

Result<Reply> run(Work& work, const Cancel& command) {
  if (!work.document.exists || work.document.deleted) return no_session(work);
  auto m = work.journal.find(command.message);
  if (!m) return no_message(command.message);
  if (auto ok = check(command.precondition, std::to_string(m->row.edits)); !ok)
    return tl::unexpected(std::move(ok.error()));
  if (m->row.state == MessageState::cancelled) return view(work, *m);
  if (m->row.state != MessageState::queued) return not_queued(*m);
  m->row.state = MessageState::cancelled;
  m->row.finished_at = work.context.now;
  m->row.retry_at = 0;
  work.transition(m->position, m->row);
  work.dequeue(m->position);
  work.state.updated_at = work.context.now;
  return view(work, *m);
}

Result<Reply> run(Work& work, const Redrive& command) {
  if (!work.document.exists || work.document.deleted) return no_session(work);
  auto m = work.journal.find(command.message);
  if (!m) return no_message(command.message);
  if (m->row.state != MessageState::failed)
    return fail(ErrorCode::not_failed, "message " + m->intent.id + " is " + std::string(name_of(m->row.state)) +
                                           "; only a failed one can be redriven");
  if (work.state.queued >= capacity_of(work.document, work.context.limits))
    return fail(ErrorCode::queue_full, "the queue is at its capacity; wait until it drains or raise queue.capacity");
  auto& row = m->row;
  queue_again(row);
  row.order = work.state.last_position + 1;
  row.failures = {};
  row.failure.reset();
  auto& window = work.entity.window;
  const bool complete = window.end > work.state.last_position;
  work.transition(m->position, row);
  if (complete) window.items.push_back(item_of(m->position, m->intent, row));
  ++work.state.queued;
  if (m->intent.expires_at != 0 && (work.state.expiry == 0 || m->intent.expires_at < work.state.expiry))
    work.state.expiry = m->intent.expires_at;
  work.writes.erase(Family::index, keys::dead_letter({work.context.id, m->position}));
  work.state.updated_at = work.context.now;
  return view(work, *m);
}

Result<Reply> run(Work& work, const Queue& command) {
  if (!work.document.exists || work.document.deleted) return no_session(work);
  if (auto ok = check(command.precondition, std::to_string(work.document.revision + work.state.operations)); !ok)
    return tl::unexpected(std::move(ok.error()));
  switch (command.command.action) {
    case QueueAction::pause:
    case QueueAction::resume: return set_paused(work, command.command.action);
    case QueueAction::reorder: return reorder(work, command.command.order);
    case QueueAction::clear: return clear(work);
  }
  return fail(ErrorCode::internal, "unknown queue action");
}

}  // namespace holdfast::session
