"""The doctor: what is wrong with a gate and its machine, and what puts each right. Offline; changes nothing."""
