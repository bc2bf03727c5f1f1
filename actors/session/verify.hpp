// Verify: do the rows of a session fit together? What the kernel keeps in step in each write set, read back from a
// store at rest, in both directions.
//
// From the session: positions of journal and streams are dense; seq is dense; ids, pointers, contents and orders lead
// to the markers that they name, and those lead back; the state row is the fold of the markers before it, and only
// admissions stand behind it; whoever runs is the one that the state names; ready index, alarm, dead letters and held
// turn have their rows. From the index: each row has a session that wants it.
//
// Pure reads of `reader`, which shows one moment. Memory does not depend on the length of a session.
#pragma once

#include <string_view>

#include "actors/session/journal.hpp"
#include "storage/finding.hpp"

namespace holdfast::session {

// Everything of the session that has this document.
void verify(const Reader& reader, const ObjectId& id, const Findings& findings);
// Rows of journal, streams, vault or a state of a session that has no document.
void verify_orphan(const Reader& reader, const ObjectId& id, const Findings& findings);
// One row of the index that belongs to a session. False: this kind of row does not.
bool verify_index_row(const Reader& reader, std::string_view key, std::string_view value, const Findings& findings);

}  // namespace holdfast::session
