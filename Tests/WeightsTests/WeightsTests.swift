// WeightsTests
