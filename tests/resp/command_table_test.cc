#include "resp/command_table.h"

#include <gtest/gtest.h>

#include <set>

namespace varve::resp {
namespace {

TEST(CommandTable, FindsEveryRowInAnyCase) {
  for (const Command& command : AllCommands()) {
    EXPECT_EQ(FindCommand(command.name), &command) << command.name;
    std::string upper(command.name);
    for (char& c : upper) c = static_cast<char>(toupper(c));
    EXPECT_EQ(FindCommand(upper), &command) << upper;
    EXPECT_EQ(FindCommand(upper + "x"), nullptr);
    for (const Command& child : command.subcommands) {
      EXPECT_EQ(FindSubcommand(command, child.name), &child) << child.full_name;
      EXPECT_EQ(child.full_name, std::string(command.name) + "|" + std::string(child.name));
    }
  }
  EXPECT_EQ(FindCommand(""), nullptr);
  EXPECT_EQ(FindCommand("nosuch"), nullptr);
  EXPECT_EQ(FindCommand(std::string(1000, 'g')), nullptr);
}

TEST(CommandTable, NumbersEveryRowOnce) {
  std::set<size_t> seen;
  for (const Command& command : AllCommands()) {
    seen.insert(IndexOf(command));
    for (const Command& child : command.subcommands) seen.insert(IndexOf(child));
  }
  EXPECT_EQ(seen.size(), TotalCommandCount());
  EXPECT_EQ(*seen.rbegin(), TotalCommandCount() - 1);
}

TEST(CommandTable, EveryRowIsDocumented) {
  for (const Command& command : AllCommands()) {
    EXPECT_FALSE(command.doc->summary.empty()) << command.name;
    EXPECT_FALSE(command.doc->since.empty()) << command.name;
    EXPECT_NE(command.acl & (kAclFast | kAclSlow), 0u) << command.name;
    // A writer says which keys it writes, or that it writes them all.
    if ((command.flags & kWrite) != 0 && command.keys.empty()) {
      EXPECT_TRUE(command.name.starts_with("flush") || command.name == "swapdb") << command.name;
    }
  }
}

TEST(ArityFits, NegativeMeansAtLeast) {
  const Command& get = *FindCommand("get");
  EXPECT_TRUE(ArityFits(get, 2));
  EXPECT_FALSE(ArityFits(get, 3));
  const Command& set = *FindCommand("set");
  EXPECT_FALSE(ArityFits(set, 2));
  EXPECT_TRUE(ArityFits(set, 3));
  EXPECT_TRUE(ArityFits(set, 9));
}

}  // namespace
}  // namespace varve::resp
