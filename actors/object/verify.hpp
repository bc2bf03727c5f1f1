// Verify: do the rows of an object of a host's class fit together? In both directions, as actors/session/verify.hpp.
//
// What a class stores means something to the class alone; checked is what the engine keeps beside it: the alarm and its
// row of the index, the object's events, its inbox, its outbox and the index of what is due.
#pragma once

#include <string_view>

#include "src/core/ids.hpp"
#include "storage/finding.hpp"
#include "storage/store.hpp"

namespace holdfast::object {

void verify(const Readable& reader, const ObjectId& id, const Findings& findings);
// One row of the index that belongs to an object. False: this kind of row does not.
bool verify_index_row(const Readable& reader, std::string_view key, const Findings& findings);
// That each message of an outbox is due once. Goes over outboxes and index as often as memory asks for.
void verify_outboxes(const Readable& reader, const Findings& findings);

}  // namespace holdfast::object
