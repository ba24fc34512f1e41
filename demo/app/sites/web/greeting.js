"use strict";

/** The words for a time of day. */
module.exports = (hour) => {
  if (hour < 5) return "Good night";
  if (hour < 12) return "Good morning";
  return hour < 18 ? "Good afternoon" : "Good evening";
};
