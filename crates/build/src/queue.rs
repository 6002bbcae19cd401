//! The order of work: what is ready, what waits for what, and which goes first.

use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap};
use std::time::Duration;

/// Work that is limited together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lane {
    /// Bound by processors and disk: programs and assemblies.
    Local,
    /// Bound by the network.
    Network,
}

/// One step as the queue sees it.
#[derive(Clone, Debug)]
pub(crate) struct Item {
    /// Which limit it falls under.
    pub(crate) lane: Lane,
    /// How long it is expected to take.
    pub(crate) expected: Duration,
    /// Indices of the items that must be done before; all smaller than the item's own.
    pub(crate) needs: BTreeSet<usize>,
}

/// Hands out items whose needs are met, the one with the longest path of work above it first.
#[derive(Debug)]
pub(crate) struct Queue {
    items: Vec<State>,
    local: BinaryHeap<(Duration, Reverse<usize>)>,
    network: BinaryHeap<(Duration, Reverse<usize>)>,
    left: usize,
}

#[derive(Debug)]
struct State {
    lane: Lane,
    /// Expected time from the start of this item to the end of the last that waits for it.
    path: Duration,
    waits_for: usize,
    users: Vec<usize>,
    over: bool,
}

impl Queue {
    /// A queue of all items.
    pub(crate) fn new(items: &[Item]) -> Self {
        let mut states: Vec<State> = items
            .iter()
            .map(|item| State {
                lane: item.lane,
                path: item.expected,
                waits_for: item.needs.len(),
                users: Vec::new(),
                over: false,
            })
            .collect();
        for (index, item) in items.iter().enumerate() {
            for &need in &item.needs {
                states[need].users.push(index);
            }
        }
        // Users stand behind what they need, so that one pass from the end sees them first.
        for index in (0..states.len()).rev() {
            let above = states[index].users.iter().map(|&user| states[user].path).max();
            states[index].path += above.unwrap_or_default();
        }
        let left = states.len();
        let (local, network) = (BinaryHeap::new(), BinaryHeap::new());
        let mut queue = Self { items: states, local, network, left };
        for index in 0..left {
            if queue.items[index].waits_for == 0 {
                queue.make_ready(index);
            }
        }
        queue
    }

    /// Expected time of the longest chain of items.
    pub(crate) fn longest_path(&self) -> Duration {
        self.items.iter().map(|item| item.path).max().unwrap_or_default()
    }

    /// Of the items that wait for one, that with the longest path of work above it.
    pub(crate) fn most_urgent_user(&self, index: usize) -> Option<usize> {
        let users = self.items[index].users.iter().copied();
        users.max_by_key(|&user| (self.items[user].path, Reverse(user)))
    }

    /// Takes the most urgent ready item of a lane.
    pub(crate) fn next(&mut self, lane: Lane) -> Option<usize> {
        let (_, Reverse(index)) = self.heap(lane).pop()?;
        Some(index)
    }

    /// Marks a taken item as done, which may make others ready.
    pub(crate) fn done(&mut self, index: usize) {
        self.close(index);
        for user in std::mem::take(&mut self.items[index].users) {
            self.items[user].waits_for -= 1;
            if self.items[user].waits_for == 0 && !self.items[user].over {
                self.make_ready(user);
            }
        }
    }

    /// Marks a taken item as failed. Returns what can never become ready because of it.
    pub(crate) fn failed(&mut self, index: usize) -> Vec<usize> {
        self.close(index);
        let mut skipped = Vec::new();
        let mut open = std::mem::take(&mut self.items[index].users);
        while let Some(user) = open.pop() {
            if !self.items[user].over {
                self.close(user);
                skipped.push(user);
                open.append(&mut self.items[user].users);
            }
        }
        skipped.sort_unstable();
        skipped
    }

    /// Whether every item is done, failed or out of reach.
    pub(crate) fn is_over(&self) -> bool {
        self.left == 0
    }

    fn close(&mut self, index: usize) {
        if !self.items[index].over {
            self.items[index].over = true;
            self.left -= 1;
        }
    }

    fn make_ready(&mut self, index: usize) {
        let state = &self.items[index];
        let entry = (state.path, Reverse(index));
        self.heap(state.lane).push(entry);
    }

    fn heap(&mut self, lane: Lane) -> &mut BinaryHeap<(Duration, Reverse<usize>)> {
        match lane {
            Lane::Local => &mut self.local,
            Lane::Network => &mut self.network,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(seconds: u64, needs: &[usize]) -> Item {
        let expected = Duration::from_secs(seconds);
        Item { lane: Lane::Local, expected, needs: needs.iter().copied().collect() }
    }

    #[test]
    fn the_longest_path_goes_first() {
        // 0 and 1 are ready; 1 alone is longer, but 0 has 3 and 4 above it.
        let items = [item(1, &[]), item(4, &[]), item(1, &[]), item(2, &[0]), item(9, &[3])];
        let mut queue = Queue::new(&items);
        assert_eq!(queue.longest_path(), Duration::from_secs(12));
        let mut order = Vec::new();
        while let Some(index) = queue.next(Lane::Local) {
            order.push(index);
            queue.done(index);
        }
        assert_eq!(order, [0, 3, 4, 1, 2]);
        assert!(queue.is_over());
    }

    #[test]
    fn equal_paths_go_in_the_order_of_the_graph() {
        let mut queue = Queue::new(&[item(1, &[]), item(1, &[]), item(1, &[])]);
        let order: Vec<_> = std::iter::from_fn(|| queue.next(Lane::Local)).collect();
        assert_eq!(order, [0, 1, 2]);
        assert!(!queue.is_over(), "taken items are not done yet");
    }

    #[test]
    fn a_failure_closes_what_lies_above_it_and_nothing_else() {
        let items = [item(1, &[]), item(1, &[]), item(1, &[0, 1]), item(1, &[2]), item(1, &[1])];
        let mut queue = Queue::new(&items);
        assert_eq!(queue.next(Lane::Local), Some(0));
        assert_eq!(queue.failed(0), [2, 3]);
        assert_eq!(queue.next(Lane::Local), Some(1));
        queue.done(1);
        assert_eq!(queue.next(Lane::Local), Some(4));
        queue.done(4);
        assert!(queue.is_over());
    }

    #[test]
    fn lanes_do_not_wait_for_each_other() {
        let network = Item { lane: Lane::Network, ..item(1, &[]) };
        let mut queue = Queue::new(&[item(1, &[]), network]);
        assert_eq!(queue.next(Lane::Network), Some(1));
        assert_eq!(queue.next(Lane::Network), None);
        assert_eq!(queue.next(Lane::Local), Some(0));
    }
}
